// The figures that move: pushed by the server, or asked for where pushing does not get through.
const MOST_POINTS = 60;
const NUMBER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export function start(page) {
  const chart = page.querySelector("[data-live-chart]");
  if (!chart) return;
  const state = page.querySelector("[data-live-state]");
  const points = [];
  const say = (word) => {
    if (state.textContent !== state.dataset[word]) state.textContent = state.dataset[word];
  };
  const show = (figures) => {
    for (const [name, value] of Object.entries(figures)) write(page, name, value);
    points.push(figures);
    points.splice(0, points.length - MOST_POINTS);
    draw(chart, points);
  };

  let source, poll;
  const ask = async () => {
    try {
      const answer = await fetch(chart.dataset.poll, { headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.json());
      say("polling");
    } catch {
      say("off");
    }
  };
  const listen = () => {
    let failures = 0;
    source = new EventSource(chart.dataset.stream);
    source.addEventListener("message", (event) => {
      failures = 0;
      show(JSON.parse(event.data));
      say("live");
    });
    source.addEventListener("fault", () => say("off"));
    source.addEventListener("error", () => {
      failures += 1;
      // One failure is the end of a stream, after which the browser connects again by itself.
      if (failures < 3 && source.readyState !== EventSource.CLOSED) return;
      source.close();
      poll = setInterval(ask, Math.max(1, Number(chart.dataset.interval)) * 1000);
      ask();
    });
  };
  const leave = () => {
    source?.close();
    clearInterval(poll);
  };
  page.addEventListener("visibilitychange", () => {
    leave();
    if (!page.hidden) listen();
  });
  addEventListener("pagehide", leave);
  if (!page.hidden) listen();
}

function write(page, name, value) {
  for (const element of page.querySelectorAll(`[data-figure="${CSS.escape(name)}"]`)) {
    const format = element.dataset.kind === "duration" ? duration : (number) => NUMBER.format(number);
    element.textContent = value === null ? "–" : format(value);
  }
}

// As the server writes it.
function duration(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  for (const [size, unit, part, smaller] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (seconds < size) continue;
    const rest = Math.floor((seconds % size) / part);
    return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${smaller}` : ""}`;
  }
  return "";
}

function draw(chart, points) {
  const { width, height } = chart.viewBox.baseVal;
  const most = Math.max(1, ...points.map((point) => point.processed_per_second ?? 0));
  for (const name of ["processed", "failed"]) {
    const line = points
      .map((point, place) => [place, point[`${name}_per_second`]])
      .filter(([, rate]) => rate !== null)
      .map(([place, rate]) => {
        const x = width - ((points.length - 1 - place) * width) / (MOST_POINTS - 1);
        return `${x.toFixed(1)},${(height - 4 - ((height - 8) * rate) / most).toFixed(1)}`;
      });
    chart.querySelector(`polyline.${name}`).setAttribute("points", line.join(" "));
  }
}
