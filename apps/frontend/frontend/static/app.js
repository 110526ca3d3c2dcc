// The page's behaviour: prices and a chart of one coin, every few seconds. Everything from the same origin.
"use strict";

const REFRESH_MS = 5000;
const STALE_SECONDS = 60;
const byId = (id) => document.getElementById(id);
const money = (value) => Number(value).toLocaleString("en", { maximumSignificantDigits: 7 });

async function api(path) {
  const answer = await fetch(`/api/v1${path}`, { signal: AbortSignal.timeout(8000) });
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  return answer.json();
}

function say(text, bad) {
  byId("freshness").textContent = text;
  byId("freshness").className = bad ? "bad" : "";
}

function showPrices(prices) {
  byId("prices").replaceChildren();
  for (const { name, symbol, price } of prices) {
    const row = byId("prices").insertRow();
    row.insertCell().textContent = `${name} (${symbol})`;
    row.insertCell().textContent = money(price);
  }
  if (!byId("coin").options.length) {
    byId("coin").append(...prices.map(({ name, symbol }) => new Option(name, symbol)));
  }
  const newest = Math.max(...prices.map(({ as_of }) => Date.parse(as_of)));
  const age = Math.max(0, Math.round((Date.now() - newest) / 1000));
  say(prices.length ? `Prices are ${age} s old` : "No prices yet", age > STALE_SECONDS);
}

function showChart(points) {
  const times = points.map(({ as_of }) => Date.parse(as_of));
  const values = points.map(({ price }) => Number(price));
  const [first, last] = [times[0], times.at(-1)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (time) => 10 + (580 * (time - first)) / (last - first || 1);
  const y = (value) => 230 - (220 * (value - low)) / (high - low || 1);
  const corners = values.map((value, i) => `${x(times[i]).toFixed(1)},${y(value).toFixed(1)}`);
  byId("line").setAttribute("points", corners.join(" "));
  const clock = (time) => new Date(time).toLocaleTimeString("en-GB");
  byId("range").textContent = `${clock(first)} to ${clock(last)}, between ${money(low)} and ${money(high)}`;
}

async function refresh() {
  try {
    showPrices(await api("/prices"));
    if (byId("coin").value) showChart(await api(`/prices/${byId("coin").value}/history`));
  } catch (error) {
    say(`Prices can't be refreshed: ${error.message}`, true);
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, REFRESH_MS);
}

byId("coin").addEventListener("change", refresh);
keepFresh();
