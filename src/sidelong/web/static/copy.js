// Buttons that copy what stands in another element.
export function start(page) {
  if (!navigator.clipboard) return;
  for (const button of page.querySelectorAll("[data-copy]")) {
    const source = page.getElementById(button.dataset.copy);
    const box = button.closest("[data-copied]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.textContent);
      box.querySelector("[data-copy-state]").textContent = box.dataset.copied;
    });
  }
}
