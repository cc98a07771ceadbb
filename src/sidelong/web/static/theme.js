// Before anything is drawn: the choice of this browser, else that of the system.
(() => {
  try {
    const chosen = localStorage.getItem("sidelong-theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system decides then.
  }
})();
