/* Words and numbers in the language of the page. The texts are in <script type="application/json" id="i18n">. */

const texts = JSON.parse(document.getElementById("i18n")?.textContent || "{}");

export const locale = document.documentElement.lang || "en";
const plurals = new Intl.PluralRules(locale);

/** The text `key` with its {placeholders} filled in. */
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) {
    console.warn(`no text for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text `key.one` or `key.other`, by `count`, which is also the placeholder {count}. */
export function tn(key, count, values = {}) {
  return t(`${key}.${plurals.select(count)}`, { count: number(count, 0), ...values });
}

/** The text `key`, or `fallback` when there is none: for words that come from data. */
export function tOr(key, fallback) {
  return key in texts ? t(key) : fallback;
}

const DASH = "–";
const formats = new Map();

function format(kind, options) {
  const key = kind.name + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new kind(locale, options));
  return formats.get(key);
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with at most `digits` digits after the point. */
export function number(value, digits = 0) {
  return isNumber(value) ? format(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value) : DASH;
}

/** A metric: four significant digits, so that columns of losses and of shares both read well. */
export function metric(value) {
  if (!isNumber(value)) return DASH;
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  return format(Intl.NumberFormat, { minimumFractionDigits: 3, maximumFractionDigits: 3 }).format(value);
}

export function percent(share) {
  return isNumber(share) ? format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 0 }).format(share) : DASH;
}

export function bytes(count) {
  if (!isNumber(count)) return DASH;
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let value = count;
  let step = 0;
  while (value >= 1000 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  const options = { style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: value < 10 && step ? 1 : 0 };
  return format(Intl.NumberFormat, options).format(value);
}

function unit(value, name) {
  return format(Intl.NumberFormat, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 0 }).format(value);
}

/** "45 sec", "12 min 5 sec", "3 hr 20 min", "3 days": two units at most. */
export function duration(seconds) {
  if (!isNumber(seconds) || seconds < 0) return DASH;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours >= 48) return unit(Math.round(hours / 24), "day");
  if (hours) return minutes ? `${unit(hours, "hour")} ${unit(minutes, "minute")}` : unit(hours, "hour");
  if (minutes) return rest && minutes < 10 ? `${unit(minutes, "minute")} ${unit(rest, "second")}` : unit(minutes, "minute");
  return unit(rest, "second");
}

/** A guess of a duration, no finer than it deserves: steps of ten seconds (never none), of a minute from a minute and a half on. */
export const roughDuration = (seconds) => duration(seconds < 90 ? Math.max(1, Math.ceil(seconds / 10)) * 10 : Math.round(seconds / 60) * 60);

const toDate = (value) => (value ? new Date(value) : null);
const isDate = (date) => date !== null && !Number.isNaN(date.getTime());

export function dateTime(value) {
  const date = toDate(value);
  return isDate(date) ? format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(date) : DASH;
}

/** Date and time to the second. */
export function exactTime(value) {
  const date = toDate(value);
  return isDate(date) ? format(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "medium" }).format(date) : DASH;
}

export function clockTime(value) {
  const date = toDate(value);
  return isDate(date) ? format(Intl.DateTimeFormat, { timeStyle: "medium" }).format(date) : DASH;
}

/** "5 minutes ago", "yesterday"; older than a week: the date. */
export function ago(value, now = Date.now()) {
  const date = toDate(value);
  if (!isDate(date)) return DASH;
  const seconds = (date.getTime() - now) / 1000;
  const relative = format(Intl.RelativeTimeFormat, { numeric: "auto" });
  const steps = [["second", 1, 60], ["minute", 60, 3600], ["hour", 3600, 86_400], ["day", 86_400, 604_800]];
  for (const [name, size, below] of steps) {
    if (Math.abs(seconds) < below) return relative.format(Math.round(seconds / size), name);
  }
  return format(Intl.DateTimeFormat, { dateStyle: "medium" }).format(date);
}

/** "A, B and C" / "A、B和C". */
export function list(words) {
  return format(Intl.ListFormat, { type: "conjunction" }).format(words);
}
