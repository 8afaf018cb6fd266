/** An answer of the server that is no success. */
export class ApiError extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/**
 * Get JSON from the server. Gives up after `timeout` milliseconds.
 * Answers of 503 are asked for again after the seconds that the server names.
 */
export async function fetchJson<T>(url: string, timeout = 5000): Promise<T> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeout);
  try {
    const answer = await fetch(url, { signal: abort.signal, credentials: "same-origin" });
    if (answer.status === 503) {
      await wait(Number(answer.headers.get("Retry-After") ?? 1));
      return fetchJson<T>(url, timeout);
    }
    if (!answer.ok) throw new ApiError(answer.status, await answer.text());
    return (await answer.json()) as T;
  } finally {
    clearTimeout(timer);
  }
}

const wait = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));

export async function logout(): Promise<void> {
  await fetch("/session", { method: "DELETE" });
  location.assign("/");
}
