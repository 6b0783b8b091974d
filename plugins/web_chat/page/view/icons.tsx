import type { JSX } from "preact";

function icon(path: JSX.Element): () => JSX.Element {
  return () => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {path}
    </svg>
  );
}

export const Logo = icon(<path d="M2 7h20M4 18v-4a3.5 3.5 0 0 1 7 0v4m2 0v-4a3.5 3.5 0 0 1 7 0v4" />);
export const Panel = icon(<><rect x="3" y="4" width="18" height="16" rx="2" /><path d="M9 4v16" /></>);
export const Plus = icon(<path d="M12 5v14M5 12h14" />);
export const Close = icon(<path d="M6 6l12 12M18 6 6 18" />);
export const Sliders = icon(<><path d="M4 7h9m4 0h3M4 17h3m4 0h9" /><circle cx="15" cy="7" r="2" /><circle cx="9" cy="17" r="2" /></>);
export const Moon = icon(<path d="M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5z" />);
export const Sun = icon(<><circle cx="12" cy="12" r="4" /><path d="M12 2v2m0 16v2M2 12h2m16 0h2M4.9 4.9l1.4 1.4m11.4 11.4 1.4 1.4m0-14.2-1.4 1.4M6.3 17.7l-1.4 1.4" /></>);
export const Send = icon(<path d="M12 19V5m-6 6 6-6 6 6" />);
export const Stop = icon(<rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor" />);
export const Chevron = icon(<path d="m9 6 6 6-6 6" />);
export const Down = icon(<path d="M12 5v14m-6-6 6 6 6-6" />);
export const Check = icon(<path d="m5 12.5 4.5 4.5L19 7.5" />);
export const Cross = icon(<path d="M7 7l10 10M17 7 7 17" />);
export const Clock = icon(<><circle cx="12" cy="12" r="8" /><path d="M12 8v4l2.5 2" /></>);
export const Dot = icon(<circle cx="12" cy="12" r="4" />);
export const Pencil = icon(<path d="M4 20h4L19 9a2.1 2.1 0 0 0-3-3L5 17zM14 7.5l3 3" />);
export const Tool = icon(<path d="M14.5 6.5a4 4 0 0 0-5.3 5.3L4 17l3 3 5.2-5.2a4 4 0 0 0 5.3-5.3L15 12l-3-3z" />);
export const Thought = icon(<path d="M9 18h6M10 21h4M12 3a6 6 0 0 0-3.5 10.9c.6.5 1 1.2 1 2.1h5c0-.9.4-1.6 1-2.1A6 6 0 0 0 12 3z" />);
export const Shield = icon(<path d="M12 3l7 3v5c0 4.5-3 8-7 10-4-2-7-5.5-7-10V6z" />);
export const Alert = icon(<path d="M12 9v4m0 3.5v.01M10.3 4.5 3 17.5A2 2 0 0 0 4.7 20h14.6a2 2 0 0 0 1.7-2.5l-7.3-13a2 2 0 0 0-3.4 0z" />);
export const Restore = icon(<path d="M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5" />);
export const File = icon(<path d="M14 3H7a1 1 0 0 0-1 1v16a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1V7zM14 3v4h4" />);
export const Save = icon(<path d="M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14" />);
