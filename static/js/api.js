/* Talking to the server: JSON both ways, the CSRF token on every change, errors in words. */

import { t } from "./i18n.js";

export class ApiError extends Error {
  /**
   * @param {string} message one sentence for a person
   * @param {{status?: number, code?: string, fields?: Record<string, string>, content?: any}} [answer]
   */
  constructor(message, { status = 0, code = "", fields = {}, content = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
    this.content = content; // the whole answer: a conflict brings the newest state along
  }
}

/** What every change of this session carries. */
export const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

let isLeaving = false;

/** A form is on its way, which may end this session or give it a new cookie: where it leads is the server's answer. */
export function leave() {
  isLeaving = true;
}

/** Go and sign in again; afterwards the server leads back to this page. */
export function toSignIn() {
  if (isLeaving) return;
  const here = location.pathname + location.search;
  location.assign(`/login?ended=1&next=${encodeURIComponent(here)}`);
}

/** A file that the server writes for this person, with the name that it gives. */
async function file(path) {
  const response = await fetch(path).catch(() => null);
  if (!response) throw new ApiError(t("error.unreachable"));
  if (!response.ok) return answered(response); // throws
  const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "";
  return { blob: await response.blob(), name };
}

async function request(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = token();
  const isForm = body instanceof FormData; // the browser writes its type, with the boundary
  if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
  const sent = isForm || body === undefined ? body : JSON.stringify(body);
  let response;
  try {
    // What is taken back is taken back, also when the page is closed at once.
    response = await fetch(path, { method, headers, body: sent, signal, keepalive: method === "DELETE" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(t("error.unreachable"));
  }
  return answered(response);
}

async function answered(response) {
  if (response.status === 401) {
    toSignIn();
    throw new ApiError(t("error.session_ended"), { status: 401 });
  }
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  const content = isJson ? await response.json().catch(() => null) : null;
  if (response.ok) return content;
  const error = content?.error ?? {};
  throw new ApiError(error.message || t("error.status", { status: response.status }), {
    status: response.status,
    code: error.code,
    fields: error.fields,
    content,
  });
}

export const api = {
  file,
  get: (path, signal) => request("GET", path, undefined, signal),
  post: (path, body = {}) => request("POST", path, body),
  put: (path, body) => request("PUT", path, body),
  patch: (path, body) => request("PATCH", path, body),
  remove: (path, body = {}) => request("DELETE", path, body),
};
