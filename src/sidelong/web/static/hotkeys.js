// "/" goes to the filter, "n" and "p" to the next and the previous page of a list.
export function start(page) {
  page.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const field = page.querySelector(`[data-hotkey="${CSS.escape(event.key)}"]`);
    const rel = { n: "next", p: "prev" }[event.key];
    const link = rel && page.querySelector(`a[rel=${rel}]`);
    if (field) {
      event.preventDefault();
      field.focus();
    } else if (link) {
      link.click();
    }
  });
}
