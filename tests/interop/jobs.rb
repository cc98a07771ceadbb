# The jobs of Ruby workers, and intervals that tests can wait for.
require "json"
require "sidekiq"
require "sidekiq/launcher"

Sidekiq.configure_server { |config| config.redis = {url: ENV.fetch("REDIS_URL")} }
Sidekiq.options[:dead_max_jobs] = Integer(ENV.fetch("DEAD_MAX_JOBS", 10_000))

# Sidekiq has no settings for these two: it beats every 5 s, and looks for due jobs after up to 5 s.
Sidekiq::Launcher.send(:remove_const, :BEAT_PAUSE)
Sidekiq::Launcher::BEAT_PAUSE = 0.2
Sidekiq::Scheduled::Poller.class_eval { def initial_wait = nil }
Sidekiq.options[:poll_interval_average] = 0.2

# Files of a page of the docs.
ENV.fetch("MORE_FILES", "").split(":").each { |file| require file }

# As `tests.support.ledger` writes it.
module Ledger
  FILE = File.open(File.join(ENV.fetch("LEDGER"), "#{Process.pid}.ledger"), "a")
  FILE.sync = true

  def self.write(name, jid)
    FILE.syswrite("#{Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)} #{Process.pid} #{name} #{jid} \n")
  end
end

class Recording
  # Keeps what a job looked like when it ran.
  def call(worker, job, queue)
    Sidekiq.redis { |redis| redis.rpush("ran", JSON.generate(job)) } if worker.is_a?(Noted)
    yield
  end
end
Sidekiq.configure_server { |config| config.server_middleware { |chain| chain.add(Recording) } }

class Noted
  include Sidekiq::Worker
  def perform(*args) = nil
end

class Failing
  include Sidekiq::Worker
  def perform(message = "from Ruby", *args)
    message = ("é" + "\xff") * 10_000 if message == "long"
    raise ArgumentError, message
  end
end

class Logged
  include Sidekiq::Worker
  def perform(*args)
    Ledger.write("START", jid)
    Ledger.write("END", jid)
  end
end

class Quick
  include Sidekiq::Worker
  def perform
    Ledger.write("START", jid)
    sleep(0.005)
    Ledger.write("END", jid)
  end
end

class Held
  include Sidekiq::Worker
  def perform(gate)
    Ledger.write("START", jid)
    sleep(0.005) until File.exist?(gate)
    Ledger.write("END", jid)
  end
end
