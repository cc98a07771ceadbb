// The box that ticks all rows of the page.
export function start(page) {
  for (const all of page.querySelectorAll("[data-tick-all]")) {
    const boxes = [...all.form.querySelectorAll("input[name=key]")];
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
    });
    all.form.addEventListener("change", () => {
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    });
  }
}
