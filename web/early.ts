// Runs before the first paint, so that a page in the other colours than the system's does not flash.
import { applyTheme, storedTheme } from "./theme.ts";

applyTheme(storedTheme());
