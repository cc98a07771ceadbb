// Dark or light, remembered in this browser.
export function start(page) {
  const button = page.querySelector("[data-theme-button]");
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = page.documentElement;
    const isDark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    try {
      localStorage.setItem("sidelong-theme", root.dataset.theme);
    } catch {
      // Storage may be forbidden; it holds for this page then.
    }
  });
}
