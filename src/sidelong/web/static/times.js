// Times in the reader's own zone; the exact UTC stays in the title.
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const CLOCK_WITH_DAY = new Intl.DateTimeFormat(undefined, { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });

export function start(page) {
  for (const label of page.querySelectorAll("[data-clock]")) {
    const format = "withDay" in label.dataset ? CLOCK_WITH_DAY : CLOCK;
    label.textContent = format.format(new Date(label.dataset.clock));
  }
  const times = [...page.querySelectorAll("time[datetime]")];
  const write = () => times.forEach(writeOne);
  write();
  if (times.length > 0) setInterval(write, 10_000);
}

function writeOne(element) {
  const moment = new Date(element.dateTime);
  const seconds = (moment - Date.now()) / 1000;
  if (Math.abs(seconds) > 7 * 86400) {
    element.textContent = LONG.format(moment);
    return;
  }
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  element.textContent = RELATIVE.format(Math.trunc(seconds / size), unit);
  if (!element.title.includes(" / ")) element.title = `${element.title} / ${LONG.format(moment)}`;
}
