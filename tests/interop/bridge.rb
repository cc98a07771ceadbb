# Evaluates what tests send: a JSON object a line with `url`, `script` and `given`, which the script may use.
# Answers with a line each: {"value": ...} or {"error": ...}.
require "json"
require "logger"
require "sidekiq"
require "sidekiq/api"
require "sidekiq/web"
require "rack"

# What scripts print must not get between the answers.
answers = $stdout.dup
answers.sync = true
$stdout.reopen($stderr)
Sidekiq.logger.level = Logger::WARN

def evaluate(script, given) = eval(script, binding, "script")

# The Web UI, asked as a browser would; `form` makes it a POST.
def browse(path, form = nil)
  session = {csrf: SecureRandom.base64(32)}
  web = Rack::MockRequest.new(Sidekiq::Web)
  return web.get(path, "rack.session" => session) if form.nil?
  web.post(path, "rack.session" => session, :params => form.merge("authenticity_token" => session[:csrf]))
end

url = nil
while (line = $stdin.gets)
  request = JSON.parse(line)
  Sidekiq.redis = {url: url = request["url"]} if request["url"] != url
  answers.puts(
    begin
      JSON.generate({value: evaluate(request["script"], request["given"])})
    rescue Exception => error
      JSON.generate({error: "#{error.class}: #{error.message}\n#{error.backtrace.join("\n")}"})
    end
  )
end
