# frozen_string_literal: true

# Ruby's Sidekiq: one process, a thread for each slot, no-op jobs. Started as `peer.rb WORKLOAD SETTINGS`.
#
# The worker is Sidekiq's own launcher in this process, as its load test does it: what its command line starts, without
# the loading of an application before.

# The compiler that Ruby brings makes each job cheaper; it can only be switched on when Ruby starts.
if defined?(RubyVM::YJIT) && !RubyVM::YJIT.enabled?
  exec(RbConfig.ruby, "--yjit", __FILE__, *ARGV)
end

require "json"
require "sidekiq/cli"
require "sidekiq/launcher"

begin
  # Its documentation names the C parser of answers as the fast one; without it the driver in Ruby is taken.
  require "redis/connection/hiredis"
rescue LoadError
  nil
end
# Debian's redis-rb is newer than its Sidekiq and would print a warning for each fetched job.
Redis.silence_deprecations = true
Redis.sadd_returns_boolean = false

DECLINED = 64
# The job that tells that the worker is up, and the first ones of the producer.
LATENCY_WARM_UP = 1 + 20
PAUSE = 0.005
AHEAD = 3.0
# Seconds between two looks for due jobs, on average; by default five.
LOOKS_EVERY = 0.1
WORKLOAD, SETTINGS = ARGV[0], JSON.parse(ARGV[1])
JOBS = SETTINGS["jobs"]
QUEUES = SETTINGS["queues"] || ["default"]

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

def cpu = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)

# Counts calls and notes the clocks at the end of the warm-up and at the last call.
class Calls
  def initialize(jobs, warm_up)
    @jobs = jobs
    @warm_up = warm_up
    @count = 0
    @lock = Mutex.new
    @ended = Thread::Queue.new
    # What does not begin by a call, begins now: with fewer than ten jobs there is no warm-up.
    @began = [now, cpu]
  end

  def called
    @lock.synchronize do
      @count += 1
      @began = [now, cpu] if @count == @warm_up
      @ended << [now, cpu] if @count == @jobs
    end
  end

  # Waits for the last call; gives jobs per second and CPU microseconds per job.
  def pace
    ended, cpu_ended = @ended.pop
    counted = @jobs - @warm_up
    [counted / (ended - @began[0]), (cpu_ended - @began[1]) / counted * 1e6]
  end
end

# Collects a number for each call, until there are as many as there are jobs.
class Notes
  def initialize(jobs)
    @jobs = jobs
    @notes = []
    @lock = Mutex.new
    @first = Thread::Queue.new
    @all = Thread::Queue.new
  end

  def <<(number)
    @lock.synchronize do
      @notes << number
      @first << number if @notes.size == 1
      @all << @notes if @notes.size == @jobs
    end
  end

  def first = @first.pop

  def all = @all.pop
end

class Noop
  include Sidekiq::Worker

  def perform(_number)
    CALLS.called
  end
end

class Wait
  include Sidekiq::Worker

  def perform(_number)
    CALLS.called
    sleep SETTINGS["wait"]
  end
end

class Failing
  include Sidekiq::Worker
  sidekiq_options retry: true
  sidekiq_retry_in { 3600 }

  def perform(_number)
    CALLS.called
    raise "as it should"
  end
end

class Delay
  include Sidekiq::Worker

  def perform(enqueued_at)
    NOTES << now - enqueued_at
  end
end

class Lateness
  include Sidekiq::Worker

  def perform(due_at)
    NOTES << Time.now.to_f - due_at
  end
end

# Sidekiq's own scheduler, which says when it has looked for the first time.
class Enqueuer < Sidekiq::Scheduled::Enq
  LOOKED = Thread::Queue.new

  def enqueue_jobs(*)
    super.tap { LOOKED << true }
  end
end

def configure
  # No line per job, not even for one that fails: what a log costs is not the question here.
  Sidekiq.logger.level = WORKLOAD == "failing" ? Logger::FATAL : Logger::WARN
  options = Sidekiq.options
  options[:concurrency] = SETTINGS["slots"] || 10
  weights = QUEUES.is_a?(Hash) ? QUEUES : QUEUES.to_h { |name| [name, 0] }
  options[:queues] = weights.flat_map { |name, weight| [name] * [weight, 1].max }
  options[:strict] = weights.values.none?(&:positive?)
  options[:scheduled_enq] = Enqueuer
  options[:average_scheduled_poll_interval] = LOOKS_EVERY if WORKLOAD == "schedule"
  Sidekiq.redis = { url: SETTINGS["url"] }
end

# Fills the queues in proportion to their weights, so that none of them runs dry before the others.
def fill(job)
  bag = Sidekiq.options[:queues]
  JOBS.times.group_by { |number| bag[number % bag.size] }.each do |queue, numbers|
    job.set(queue: queue).perform_bulk(numbers.zip)
  end
end

def start
  launcher = Sidekiq::Launcher.new(Sidekiq.options)
  launcher.run
end

def paced(job)
  fill(job)
  start
  CALLS.pace
end

def drain
  pace, cpu_per_job = paced(Noop)
  { "jobs/s" => pace, "CPU µs/job" => cpu_per_job }
end

def io
  pace, = paced(Wait)
  { "jobs/s" => pace, "% of ideal" => pace * SETTINGS["wait"] / SETTINGS["slots"] * 100 }
end

def threads
  pace, = paced(Noop)
  { "jobs/s" => pace }
end

def failing
  pace, = paced(Failing)
  { "jobs/s" => pace }
end

WAYS = {
  "one by one" => ->(jobs) { jobs.times { |number| Noop.perform_async(number) } },
  "enqueue_many" => ->(jobs) { Noop.perform_bulk(jobs.times.zip) },
}.freeze

def enqueue
  way = WAYS[SETTINGS["way"]] or decline("no asyncio")
  way.call(JOBS / 10)
  began, cpu_began = now, cpu
  way.call(JOBS)
  seconds, used = now - began, cpu - cpu_began
  { "jobs/s" => JOBS / seconds, "CPU µs/job" => used / JOBS * 1e6 }
end

def latency
  decline("only measured idle") if SETTINGS["load"].to_f.positive?
  Delay.set(queue: QUEUES.last).perform_async(now)
  start
  NOTES.first
  producer = Process.spawn(RbConfig.ruby, __FILE__, "produce", ARGV[1])
  delays = NOTES.all.drop(LATENCY_WARM_UP).sort
  Process.wait(producer)
  [50, 95, 99].to_h { |percent| ["p#{percent} µs", quantile(delays, percent / 100.0) * 1e6] }
end

def produce
  job = Delay.set(queue: QUEUES.last)
  (JOBS + LATENCY_WARM_UP - 1).times do
    job.perform_async(now)
    sleep PAUSE * rand(0.5..1.5)
  end
  exit!(0)
end

# Between two values as the program's own does it: by the rank among one more than there are.
def quantile(sorted, part)
  rank = (part * (sorted.size + 1)).clamp(1, sorted.size)
  below = sorted[rank.floor - 1]
  below + (sorted[[rank.floor, sorted.size - 1].min] - below) * (rank - rank.floor)
end

def schedule
  start
  # Its scheduler first waits ten to fifteen seconds, once per process: that is no lateness of a job.
  Enqueuer::LOOKED.pop
  due_at = Time.now.to_f + AHEAD
  JOBS.times.each_slice(1000) do |slice|
    Sidekiq::Client.push_bulk("class" => Lateness, "args" => slice.map { [due_at] }, "at" => due_at)
  end
  decline("could not be stored in time") if Time.now.to_f > due_at
  late = NOTES.all.map { |seconds| seconds * 1000 }
  { "first ms" => late.min, "median ms" => quantile(late.sort, 0.5), "last ms" => late.max }
end

def decline(reason)
  puts reason
  $stdout.flush
  exit!(DECLINED)
end

CALLS = Calls.new(JOBS, JOBS / 10)
NOTES = Notes.new(WORKLOAD == "latency" ? JOBS + LATENCY_WARM_UP : JOBS)
configure
measures =
  case WORKLOAD
  when "drain" then drain
  when "io" then io
  when "threads" then threads
  when "failing" then failing
  when "enqueue" then enqueue
  when "latency" then latency
  when "produce" then produce
  when "schedule" then schedule
  else decline("not measured")
  end
puts JSON.generate(measures)
$stdout.flush
# Its threads may be ended: the database is emptied after each run.
exit!(0)
