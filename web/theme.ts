// Light, dark, or as the system says. One choice for all pages of this host.
export type Theme = "system" | "light" | "dark";

const kKey = "viaduct:theme";

export function storedTheme(): Theme {
  try {
    const theme = localStorage.getItem(kKey);
    return theme === "light" || theme === "dark" ? theme : "system";
  } catch {
    return "system";
  }
}

export function applyTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function storeTheme(theme: Theme): void {
  applyTheme(theme);
  try {
    if (theme === "system") localStorage.removeItem(kKey);
    else localStorage.setItem(kKey, theme);
  } catch {
    // It holds until the page is left.
  }
}

// What is on the screen now.
export function effectiveTheme(): "light" | "dark" {
  const theme = storedTheme();
  if (theme !== "system") return theme;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// The other one. Where that is what the system says, the page follows the system again.
export function toggleTheme(): "light" | "dark" {
  const next = effectiveTheme() === "dark" ? "light" : "dark";
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  storeTheme(next === system ? "system" : next);
  return next;
}
