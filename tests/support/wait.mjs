// Waiting for what is to come, with a limit, and never for time alone.
export const kLimit = 30_000;

// Looks until `check` neither throws nor gives something false; the last reason is the error. `what` may be a function, for words that are known at the end only.
export async function until(check, what = "it", limit = kLimit) {
  const end = Date.now() + limit;
  for (;;) {
    let why = null;
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      why = error;
    }
    if (Date.now() > end) throw why ?? new Error(`${typeof what === "function" ? what() : what} has not come about within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function within(promise, what, limit = kLimit) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} has not come about within ${limit} ms`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
