// One way to ask the API: same origin, cookie, errors as one clear sentence.

/** An answer of the API that is not a success. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * @param {string} path
 * @param {{method?: string, body?: unknown, headers?: Record<string, string>}} [options]
 * @returns {Promise<any>}
 */
export async function api(path, { method = "GET", body, headers = {} } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "unreachable", "Pulsera cannot be reached. Is it running, and are you on its network?");
  }
  const text = await answer.text();
  let data = null;
  if (text) {
    try { data = JSON.parse(text); } catch { throw new ApiError(answer.status, "not_json", `The server answered ${answer.status} without a reason.`); }
  }
  if (!answer.ok) throw new ApiError(answer.status, data?.error?.code ?? "error", data?.error?.message ?? `The server answered ${answer.status}.`);
  return data;
}

/**
 * Follow the cursors of a list until it ends or `most` items are there.
 * @param {string} path
 * @param {URLSearchParams} query
 * @param {number} most
 * @returns {Promise<{items: any[], complete: boolean}>}
 */
export async function all(path, query, most) {
  const items = [];
  let cursor = null;
  do {
    if (cursor) query.set("cursor", cursor);
    const page = await api(`${path}?${query}`);
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor && items.length < most);
  return { items, complete: !cursor };
}
