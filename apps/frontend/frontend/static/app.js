// The page's behaviour: prices and chart every few seconds, holdings when they change. Everything from the same origin.
"use strict";

const REFRESH_MS = 5000;
const STALE_SECONDS = 60;
const byId = (id) => document.getElementById(id);
const rows = new Map();
let chosen = "BTC";

async function api(path, options = {}) {
  const answer = await fetch(`/api/v1${path}`, { ...options, signal: AbortSignal.timeout(8000) });
  if (!answer.ok) {
    throw Object.assign(new Error(`the API answered ${answer.status}`), { status: answer.status });
  }
  return answer.status === 204 ? null : answer.json();
}

async function token() {
  if (!localStorage.getItem("portfolio")) {
    localStorage.setItem("portfolio", (await api("/portfolio", { method: "POST" })).token);
  }
  return { authorization: `Bearer ${localStorage.getItem("portfolio")}`, "content-type": "application/json" };
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function row(symbol, name) {
  if (!rows.has(symbol)) {
    const cells = { price: element("td"), change: element("td") };
    const choose = element("button", { type: "button", textContent: `${name} (${symbol})` });
    choose.addEventListener("click", () => { chosen = symbol; refresh(); });
    cells.held = element("input", { type: "number", min: 0, step: "any", value: 0, ariaLabel: `${name} that you hold` });
    cells.held.addEventListener("change", () => hold(symbol, cells.held.value));
    cells.line = element("tr", {}, element("td", {}, choose), cells.price, cells.change, element("td", {}, cells.held));
    byId("prices").append(cells.line);
    rows.set(symbol, cells);
  }
  return rows.get(symbol);
}

function showPrices(prices) {
  for (const { symbol, name, price, change_24h_percent: change } of prices) {
    const cells = row(symbol, name);
    cells.price.textContent = Number(price).toLocaleString("en", { maximumSignificantDigits: 7 });
    cells.change.textContent = change === null ? "–" : `${change > 0 ? "+" : ""}${change.toFixed(2)} %`;
    cells.change.className = change > 0 ? "up" : change < 0 ? "down" : "";
    cells.line.ariaSelected = symbol === chosen;
  }
  const newest = Math.max(...prices.map((each) => Date.parse(each.as_of)));
  const age = Math.max(0, Math.round((Date.now() - newest) / 1000));
  byId("freshness").textContent = prices.length ? `Prices are ${age} s old` : "No prices yet";
  byId("freshness").className = age > STALE_SECONDS ? "stale" : "";
}

function showChart(points) {
  const chart = byId("chart");
  byId("chart-title").textContent = `${chosen}, last hour`;
  if (points.length < 2) {
    chart.replaceChildren();
    return;
  }
  const times = points.map((point) => Date.parse(point.as_of));
  const values = points.map((point) => Number(point.price));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (time) => 10 + 580 * (time - times[0]) / (times.at(-1) - times[0] || 1);
  const y = (value) => 220 - 200 * (value - low) / (high - low || 1);
  const svg = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.textContent = text;
    return made;
  };
  chart.replaceChildren(
    svg("polyline", { points: values.map((value, i) => `${x(times[i]).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    svg("text", { x: 12, y: 16 }, high.toLocaleString("en", { maximumSignificantDigits: 7 })),
    svg("text", { x: 12, y: 236 }, low.toLocaleString("en", { maximumSignificantDigits: 7 })),
  );
}

async function showPortfolio() {
  if (!localStorage.getItem("portfolio")) return;
  try {
    const { holdings, value } = await api("/portfolio", { headers: await token() });
    for (const { symbol, quantity } of holdings) {
      const held = rows.get(symbol)?.held;
      if (held && held !== document.activeElement) held.value = Number(quantity);
    }
    byId("value").textContent = Number(value).toLocaleString("en", { minimumFractionDigits: 2 });
  } catch (error) {
    if (error.status !== 401) throw error;
    localStorage.removeItem("portfolio"); // the key it was signed with was changed
  }
}

async function hold(symbol, quantity) {
  try {
    const body = JSON.stringify({ quantity: String(quantity || 0) });
    await api(`/portfolio/${symbol}`, { method: "PUT", headers: await token(), body });
    await showPortfolio();
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  byId("freshness").textContent = `Prices can't be refreshed: ${error.message}`;
  byId("freshness").className = "stale";
}

async function refresh() {
  try {
    const [prices, points] = await Promise.all([api("/prices"), api(`/prices/${chosen}/history?minutes=60`)]);
    showPrices(prices);
    showChart(points);
    await showPortfolio();
  } catch (error) {
    fail(error);
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, REFRESH_MS);
}

keepFresh();
