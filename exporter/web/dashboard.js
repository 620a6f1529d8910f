// Filters the page and draws its charts. The rules for figures and sentences are those of view.py
// and page.py: BigInts of 10^-12 USD, shares rounded half up. Every text goes into the page as text.

const data = JSON.parse(document.getElementById("data").textContent);
const PICO = 10n ** 12n;
const DIMENSIONS = ["account", "region", "family", "team", "type"];
const MOST_ROWS = 15;
const SVG = "http://www.w3.org/2000/svg";
const MONTHS =
  "January February March April May June July August September October November December".split(
    " ",
  );
const SUMS =
  "training reused wasted idle pools reusedPools carried carriedReused unknownTraining unknownPools".split(
    " ",
  );
// The 90 % point of Student's t by degrees of freedom (projection.py).
const T = { 2: 1.886, 3: 1.638, 4: 1.533, 5: 1.476, 6: 1.44, 7: 1.415 };

const byId = (id) => document.getElementById(id);

// ---- cells ----

const cells = data.cells.map(([key, bucket, ...sums]) => {
  const cell = { key: data.keys[key], bucket: data.buckets[bucket] };
  SUMS.forEach((name, place) => {
    cell[name] = BigInt(sums[place] ?? 0);
  });
  return cell;
});

function add(chosen, since, until) {
  const total = Object.fromEntries(SUMS.map((name) => [name, 0n]));
  for (const cell of chosen) {
    if (cell.bucket < since || cell.bucket >= until) continue;
    for (const name of SUMS) total[name] += cell[name];
    if (cell.bucket !== since) {
      // the bucket before has counted these pools
      total.pools -= cell.carried;
      total.reusedPools -= cell.carriedReused;
    }
  }
  return total;
}

function isChosen(places, filter) {
  return DIMENSIONS.every((name, place) => {
    const wanted = filter[name];
    return wanted === null || [places[place]].flat().includes(wanted);
  });
}

function grouped(chosen, dimension, since, until) {
  const place = DIMENSIONS.indexOf(dimension);
  const groups = new Map();
  for (const cell of chosen) {
    if (cell.bucket < since || cell.bucket >= until) continue;
    const value = cell.key[place];
    if (!groups.has(value)) groups.set(value, []);
    groups.get(value).push(cell);
  }
  const rows = Array.from(groups, ([value, members]) => ({
    name: label(dimension, value),
    sums: add(members, since, until),
  }));
  const descending = (one, other) => (one < other ? 1 : one > other ? -1 : 0);
  return rows.sort(
    (one, other) =>
      descending(one.sums.wasted, other.sums.wasted) ||
      descending(pools(one.sums), pools(other.sums)) ||
      descending(one.sums.training, other.sums.training) ||
      descending(other.name, one.name),
  );
}

const pools = (sums) => sums.reused + sums.wasted + sums.idle;
const label = (dimension, value) => data.names[dimension][value];

// ---- numbers ----

const halfUp = (number, divisor) => (2n * number + divisor) / (2n * divisor);
const grouping = (number) => number.toLocaleString("en-US");
const abs = (number) => (number < 0n ? -number : number);

function money(amount) {
  const size = abs(amount);
  const sign = amount < 0n ? "-" : "";
  if (size && size < PICO / 100n) {
    // two significant digits below a cent
    const length = size.toString().length;
    const digits = length > 1 ? halfUp(size, 10n ** BigInt(length - 2)) : size * 10n;
    return `${sign}0.${digits.toString().padStart(14 - length, "0")}`;
  }
  const cents = halfUp(size, PICO / 100n);
  return `${sign + grouping(cents / 100n)}.${(cents % 100n).toString().padStart(2, "0")}`;
}

function usd(amount) {
  if (amount >= 100n * PICO) return `${grouping(halfUp(amount, PICO))} USD`;
  return `${money(amount)} USD`;
}

function exact(amount) {
  const size = abs(amount);
  const part = (size % PICO).toString().padStart(12, "0").replace(/0+$/, "");
  return (amount < 0n ? "-" : "") + size / PICO + (part ? `.${part}` : "");
}

function known(amount, unknown) {
  return !amount && unknown ? "unknown" : money(amount);
}

function share(part, whole) {
  if (!whole) return "–";
  const tenths = halfUp(part * 1000n, whole);
  return `${tenths / 10n}.${tenths % 10n} %`;
}

function factor(one, other) {
  if (!other) return "–";
  const hundredths = halfUp(one * 100n, other);
  return `${grouping(hundredths / 100n)}.${(hundredths % 100n).toString().padStart(2, "0")} ×`;
}

function counted(number, noun) {
  return `${grouping(number)} ${noun}${BigInt(number) === 1n ? "" : "s"}`;
}

// One decimal if it is a mean, as the reports show counts.
function count(pico) {
  const size = abs(pico);
  if (size % PICO === 0n) return (pico < 0n ? "-" : "") + grouping(size / PICO);
  // Half to even, as the decimals of Python.
  let tenths = size / (PICO / 10n);
  const rest = size % (PICO / 10n);
  if (rest * 2n > PICO / 10n || (rest * 2n === PICO / 10n && tenths % 2n)) tenths += 1n;
  return `${(pico < 0n ? "-" : "") + grouping(tenths / 10n)}.${tenths % 10n}`;
}

// ---- days ----

const dayNumber = (iso) => Date.parse(`${iso}T00:00:00Z`) / 864e5;
const isoDay = (number) => new Date(number * 864e5).toISOString().slice(0, 10);
const plusDays = (iso, days) => isoDay(dayNumber(iso) + days);
const monthOf = (iso) => `${iso.slice(0, 8)}01`;
const monthName = (iso) => MONTHS[Number(iso.slice(5, 7)) - 1];
const smaller = (one, other) => (one < other ? one : other);
const larger = (one, other) => (one > other ? one : other);

function plusMonths(iso, months) {
  const number = Number(iso.slice(0, 4)) * 12 + Number(iso.slice(5, 7)) - 1 + months;
  return (
    String(Math.floor(number / 12)).padStart(4, "0") +
    "-" +
    String((number % 12) + 1).padStart(2, "0") +
    "-01"
  );
}

// ---- sentences ----

function headline(total, families) {
  const ended = total.reused + total.wasted;
  if (!ended) return [withoutCost(total)];
  if (!total.wasted) {
    return [`No money for warm pools was wasted: other jobs reused all ${usd(ended)} of it`];
  }
  const percent = halfUp(total.wasted * 100n, ended);
  let part = `${percent} %`;
  if (percent === 100n && total.reused) part = "More than 99 %";
  else if (!percent) part = "Less than 1 %";
  const found = [`${part} of ${usd(ended)} for warm pools bought nothing`];
  if (families.length < 2) return found;
  const worst = families.filter((row) => row.sums.wasted);
  const top = worst.slice(0, 3);
  const sum = top.reduce((before, row) => before + row.sums.wasted, 0n);
  found.push("; ");
  top.forEach((row, place) => {
    found.push({ name: row.name });
    found.push(place === top.length - 2 ? " and " : place < top.length - 1 ? ", " : "");
  });
  const all = top.length === worst.length ? "all" : `${halfUp(sum * 100n, total.wasted)} %`;
  found.push(` ${top.length > 1 ? "are" : "is"} ${all} of it`);
  return found;
}

function withoutCost(total) {
  if (total.unknownPools) return "What the warm pools cost is not known";
  if (total.idle) return `No warm pool has ended yet; those still idle cost ${usd(total.idle)}`;
  if (total.pools) return "The warm pools cost nothing: other jobs reused them at once";
  if (total.training) return `No job kept a warm pool; training cost ${usd(total.training)}`;
  return "No job ran in this selection";
}

function saved(changes, current, then, minutes) {
  if (!changes) return "No other keep-alive period is suggested.";
  const settings = counted(changes, "keep-alive setting");
  const whole = abs(minutes) / PICO;
  const wait = counted(whole, "startup minute");
  const part =
    "about " +
    usd(current > then ? current - then : 0n).replace(" USD", "") +
    " of " +
    usd(current);
  let text = `${part} a month`;
  if (then > current) text = `${wait} a month, for ${usd(then - current)} more`;
  else if (whole && minutes > 0n) text = `${part} and ${wait} a month`;
  else if (whole) text += `, for ${wait} more`;
  return `Changing ${settings} would save ${text} (modelled).`;
}

// ---- the last month, and what it is heading for ----

function lastMonths(until) {
  const yesterday = plusDays(data.today, -1);
  const running = monthOf(yesterday);
  const first = smaller(monthOf(plusDays(until, -1)), running);
  const end = plusMonths(first, 1);
  const before = plusMonths(first, -1);
  if (first < running || end <= data.today) {
    const now = [larger(first, data.since), smaller(end, data.until)];
    const isWhole = now[0] === first && now[1] === end;
    return {
      now,
      before: isWhole && before >= data.since ? [before, first] : null,
      label: `${monthName(first)} ${first.slice(0, 4)}`,
      labelBefore: monthName(before),
      until: null,
    };
  }
  const now = [larger(first, data.since), data.today];
  const same = smaller(first, plusDays(before, dayNumber(data.today) - dayNumber(first)));
  const day = Number(yesterday.slice(8));
  return {
    now,
    before:
      now[0] === first && data.today <= data.until && before >= data.since ? [before, same] : null,
    label: `${day > 1 ? `1–${day}` : "1"} ${monthName(first)}`,
    labelBefore: `the same days of ${monthName(before)}`,
    until: end,
  };
}

function monthText(last, now, before) {
  if (now === null) return `${last.label}: unknown`;
  const text = `${last.label}: ${usd(now)}`;
  if (before === null) return text;
  if (!before) return `${text}; nothing for ${last.labelBefore}`;
  const percent = halfUp(abs(now - before) * 100n, before);
  if (!percent) return `${text}, as much as for ${last.labelBefore}`;
  return (
    text +
    ", " +
    grouping(percent) +
    " % " +
    (now > before ? "more" : "less") +
    " than for " +
    last.labelBefore
  );
}

function project(costs, today, until) {
  const before = Array.from(costs.keys()).filter((day) => day < today);
  const weeks = before.length ? Math.min(8, Math.floor((today - Math.min(...before)) / 7)) : 0;
  if (weeks < 3) return null;
  const week = (number) =>
    Array.from({ length: 7 }, (_, place) => costs.get(today - 7 * number - place - 1) ?? 0);
  const weekly = Array.from({ length: weeks }, (_, number) => week(number));
  const mean = (values) => values.reduce((one, two) => one + two, 0) / values.length;
  let middle = 0;
  for (let ahead = 0; ahead < until - today; ahead += 1) {
    middle += mean(weekly.map((days) => days[6 - (ahead % 7)]));
  }
  const sums = weekly.map((days) => days.reduce((one, two) => one + two, 0));
  const centre = mean(sums);
  const deviation = Math.sqrt(
    sums.reduce((sum, each) => sum + (each - centre) ** 2, 0) / (weeks - 1),
  );
  const part = (until - today) / 7;
  const spread = deviation * Math.sqrt(part * (1 + part / weeks)) * T[weeks - 1];
  return [middle, Math.max(0, middle - spread), middle + spread];
}

function headingText(chosen, amount, last, now) {
  if (last.until === null || now === null) return "";
  const costs = new Map();
  for (const cell of chosen) {
    const day = dayNumber(cell.bucket);
    costs.set(day, (costs.get(day) ?? 0) + Number(amount(cell)) / 1e12);
  }
  const found = project(costs, dayNumber(data.today), dayNumber(last.until));
  if (found === null) return "too few weeks to project the month";
  const cents = (value) => BigInt(Math.round(value * 100)) * (PICO / 100n);
  const [middle, low, high] = found.map((part) => usd(cents(Number(now) / 1e12 + part)));
  return (
    "heading for " +
    middle +
    " (" +
    low.replace(" USD", "") +
    "–" +
    high +
    " in 8 of 10 such months)"
  );
}

// ---- the page's parts ----

function element(name, properties, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const number = (...children) => element("td", { className: "number" }, ...children);

function amountOf(amount, unknown) {
  return element("data", { value: exact(amount) }, known(amount, unknown));
}

function unknownWasted(sums) {
  return sums.pools > sums.reusedPools ? sums.unknownPools : 0n;
}

function monthCells(sums) {
  return [
    number(amountOf(sums.wasted, unknownWasted(sums))),
    number(amountOf(sums.reused, sums.reusedPools ? sums.unknownPools : 0n)),
    number(share(sums.wasted, sums.wasted + sums.reused)),
    number(grouping(sums.pools)),
    number(share(sums.reusedPools, sums.pools)),
    number(amountOf(sums.idle, 0n)),
  ];
}

function trainingCells(sums) {
  return [
    number(amountOf(sums.training, sums.unknownTraining)),
    number(amountOf(pools(sums), sums.unknownPools)),
    number(factor(pools(sums), sums.training)),
  ];
}

function groupCells(sums, longest) {
  const bar = element("td", { className: "bars" });
  if (longest !== null) {
    const length = (amount) => (longest ? Number((amount * 1000n) / longest) / 10 : 0).toFixed(1);
    const wasted = length(sums.wasted);
    bar.append(
      drawn(
        "svg",
        {
          class: "bar",
          viewBox: "0 0 100 10",
          preserveAspectRatio: "none",
          "aria-hidden": "true",
        },
        drawn("rect", { class: "wasted", width: wasted, height: 10 }),
        drawn("rect", { class: "reused", x: wasted, width: length(sums.reused), height: 10 }),
      ),
    );
  }
  return [
    bar,
    number(amountOf(sums.wasted, unknownWasted(sums))),
    number(share(sums.wasted, sums.wasted + sums.reused)),
    number(share(sums.reusedPools, sums.pools)),
    number(grouping(sums.pools)),
    ...trainingCells(sums),
  ];
}

const heading = (text) => Object.assign(element("th", {}, text), { scope: "row" });
const row = (name, made) => element("tr", {}, heading(name), ...made);

function fillTable(table, rows, total) {
  table.tBodies[0].replaceChildren(...rows);
  table.tFoot.replaceChildren(total);
}

function showGroup(dimension, rows, total) {
  const plural =
    dimension === "family" ? "families" : dimension === "type" ? "instance types" : `${dimension}s`;
  const noun = dimension === "type" ? "instance type" : dimension;
  const kept = rows.length === MOST_ROWS + 1 ? rows : rows.slice(0, MOST_ROWS);
  const longest = kept
    .map((one) => one.sums.wasted + one.sums.reused)
    .reduce((one, two) => (one > two ? one : two), 0n);
  const made = kept.map((one) => row(one.name, groupCells(one.sums, longest)));
  const more = rows.length - kept.length;
  if (more) {
    const rest = Object.fromEntries(
      SUMS.map((name) => [
        name,
        rows.slice(kept.length).reduce((sum, one) => sum + one.sums[name], 0n),
      ]),
    );
    made.push(
      row(
        `${more.toLocaleString("en-US")} more ${more > 1 ? plural : noun}`,
        groupCells(rest, null),
      ),
    );
  }
  fillTable(
    byId(`group-${dimension}`).querySelector("table"),
    made,
    row("total", groupCells(total, null)),
  );
}

function showTiles(chosen, total, until) {
  const last = lastMonths(until);
  const [since, end] = last.now;
  if (since >= end) Object.assign(last, { before: null, until: null });
  const now = add(chosen, since, end);
  const before = last.before && add(chosen, ...last.before);
  const ended = total.reused + total.wasted;
  const tiles = {
    all: [
      (sums) => sums.training + pools(sums),
      (sums) => sums.unknownTraining + sums.unknownPools,
      known(total.training, total.unknownTraining) +
        " training, " +
        known(pools(total), total.unknownPools) +
        " warm pools",
    ],
    pools: [
      pools,
      (sums) => sums.unknownPools,
      total.training
        ? `${factor(pools(total), total.training)} the cost of training`
        : "no known cost of training to compare with",
    ],
    wasted: [
      (sums) => sums.wasted,
      unknownWasted,
      ended
        ? `${share(total.wasted, ended)} of the cost of ended pools`
        : "no pool with a known cost has ended",
    ],
  };
  for (const [code, [amount, unknown, note]] of Object.entries(tiles)) {
    const value = known(amount(total), unknown(total));
    const knownOf = (sums) => (!sums || (!amount(sums) && unknown(sums)) ? null : amount(sums));
    const amountNow = knownOf(now);
    showTile(
      code,
      value === "unknown" ? value : `${value} USD`,
      exact(amount(total)),
      note,
      monthText(last, amountNow, knownOf(before)),
      headingText(chosen, amount, last, amountNow),
    );
  }
  showReuse(total, last, now, before);
}

function showReuse(total, last, now, before) {
  let month = `${last.label}: ${share(now.reusedPools, now.pools)}`;
  if (before?.pools) {
    month += `, after ${share(before.reusedPools, before.pools)} in ${last.labelBefore}`;
  }
  showTile(
    "reuse",
    total.pools ? share(total.reusedPools, total.pools) : "none",
    `${total.reusedPools}/${total.pools}`,
    total.pools
      ? `${grouping(total.reusedPools)} of ${counted(total.pools, "ended pool")}`
      : "no pool has ended",
    now.pools ? month : `${last.label}: no pool has ended`,
    "",
  );
}

function showTile(code, value, exactValue, note, month, headed) {
  byId(`tile-${code}`).replaceChildren(element("data", { value: exactValue }, value));
  byId(`note-${code}`).textContent = note;
  byId(`month-${code}`).textContent = month;
  byId(`heading-${code}`).textContent = headed;
}

// Advice: places of the filters, [pools, reused pools, is a change], and four amounts.
const advice = data.advice.map(([places, counts, amounts]) => ({
  places,
  counts,
  amounts: amounts.map((amount) => (amount === null ? null : BigInt(amount))),
}));

function showAdvice(filter) {
  const sums = { idle: 0n, wasted: 0n, later: 0n, minutes: 0n, pools: 0, reused: 0, changes: 0 };
  const isShown = advice.map((each) => isChosen(each.places, filter));
  advice.forEach((each, place) => {
    if (!isShown[place]) return;
    const [idle, wasted, later, minutes] = each.amounts;
    sums.idle += idle ?? 0n;
    sums.wasted += wasted ?? 0n;
    sums.later += later ?? idle ?? 0n;
    sums.minutes += minutes ?? 0n;
    sums.pools += each.counts[0];
    sums.reused += each.counts[1];
    sums.changes += each.counts[2];
  });
  document.querySelectorAll("[data-row]").forEach((one) => {
    one.hidden = !isShown[Number(one.dataset.row)];
  });
  const others = byId("others");
  if (others !== null) others.hidden = !others.querySelector("[data-row]:not([hidden])");
  byId("saving").textContent = saved(sums.changes, sums.idle, sums.later, sums.minutes);
  const total = byId("advice-total");
  if (total === null) return;
  const entry = (pico, text) => number(element("data", { value: exact(pico) }, text));
  const texts = [
    entry(sums.idle, money(sums.idle)),
    entry(sums.wasted, money(sums.wasted)),
    number(share(BigInt(sums.reused), BigInt(sums.pools))),
    entry(sums.idle - sums.later, money(sums.idle - sums.later)),
    entry(sums.minutes, count(sums.minutes)),
  ];
  total.querySelectorAll(".number").forEach((cell, place) => {
    cell.replaceChildren(...texts[place].childNodes);
  });
  if (byId("no-change")) byId("no-change").hidden = sums.changes > 0;
}

function showIdle(filter) {
  if (!data.idle.length) return;
  const isShown = data.idle.map(([places]) => isChosen(places, filter));
  document.querySelectorAll("[data-idle]").forEach((one) => {
    one.hidden = !isShown[Number(one.dataset.idle)];
  });
  const rates = data.idle.filter((_, place) => isShown[place]).map(([, amounts]) => amounts[0]);
  const priced = rates.filter((rate) => rate !== null);
  const sum = priced.reduce((before, rate) => before + BigInt(rate), 0n);
  byId("idle-sum").textContent =
    counted(rates.length, "pool") +
    " had not ended" +
    (priced.length ? `, at ${hourly(sum)} USD an hour` : "") +
    ".";
}

function hourly(amount) {
  const micro = halfUp(amount, 10n ** 6n);
  const part = (micro % 10n ** 6n).toString().padStart(6, "0").replace(/0+$/, "");
  return `${grouping(micro / 10n ** 6n)}.${part.padEnd(2, "0")}`;
}

// ---- charts ----

const short = (value) =>
  value >= 1e6
    ? `${value / 1e6}M`
    : value >= 1e4
      ? `${value / 1e3}k`
      : value.toLocaleString("en-US");

function niceSteps(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, place) =>
    Number((place * step).toPrecision(12)),
  );
}

function canvas(host, height, most) {
  const width = Math.max(300, host.clientWidth);
  const box = { left: 52, right: width - 8, top: 22, bottom: height - 26 };
  const steps = niceSteps(most);
  const top = steps[steps.length - 1];
  box.y = (value) => box.bottom - ((box.bottom - box.top) * value) / top;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  for (const step of steps) {
    const y = box.y(step);
    svg.append(
      drawn("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }),
      drawn(
        "text",
        { class: "tick", x: box.left - 6, y: y + 4, "text-anchor": "end" },
        short(step),
      ),
    );
  }
  return { svg, box };
}

// A chart says what it shows as one image; the table below it has the figures.
function place(host, svg, text) {
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", text);
  host.replaceChildren(svg);
}

const toUsd = (pico) => Number(pico) / 1e12;

function part(kind, x, y, width, height, text) {
  return drawn(
    "rect",
    {
      class: kind,
      x: x.toFixed(1),
      y: y.toFixed(1),
      width: width.toFixed(1),
      height: Math.max(0, height).toFixed(1),
    },
    drawn("title", {}, text),
  );
}

function columns(host, months, series, isStacked, text) {
  const amounts = months.map((month) => series.map((one) => toUsd(one.amount(month.sums))));
  const heights = amounts.map((found) =>
    isStacked ? found.reduce((one, two) => one + two, 0) : Math.max(...found),
  );
  const most = Math.max(...heights);
  if (!(most > 0)) {
    host.replaceChildren(element("p", { className: "none" }, "No known cost in this selection."));
    return;
  }
  const { svg, box } = canvas(host, 240, most);
  const slot = (box.right - box.left) / months.length;
  const wide = Math.min(56, slot * 0.7);
  months.forEach((month, place) => {
    const x = box.left + slot * place + (slot - wide) / 2;
    let low = 0;
    series.forEach((one, number) => {
      const amount = amounts[place][number];
      const title = `${monthTitle(month.since)}: ${one.name} ${money(one.amount(month.sums))} USD`;
      const top = box.y(low + amount);
      const width = isStacked ? wide : wide / series.length;
      svg.append(
        part(
          one.kind,
          x + (isStacked ? 0 : width * number),
          top,
          width - (isStacked ? 0 : 1),
          box.y(low) - top,
          title,
        ),
      );
      if (isStacked) low += amount;
    });
    const head = series[0].head(month.sums);
    if (head && slot > 34) {
      svg.append(
        drawn(
          "text",
          {
            class: "head",
            x: x + wide / 2,
            y: box.y(heights[place]) - 5,
            "text-anchor": "middle",
          },
          head,
        ),
      );
    }
    if (slot > 30 || place % 3 === 0) {
      svg.append(
        drawn(
          "text",
          {
            class: "tick",
            x: x + wide / 2,
            y: box.bottom + 17,
            "text-anchor": "middle",
          },
          monthTick(month.since, place),
        ),
      );
    }
  });
  place(host, svg, text);
}

const monthTitle = (iso) => `${monthName(iso)} ${iso.slice(0, 4)}`;

function monthTick(iso, place) {
  const isFirst = place === 0 || iso.slice(5, 7) === "01";
  return monthName(iso).slice(0, 3) + (isFirst ? ` ’${iso.slice(2, 4)}` : "");
}

function spoken(months, series) {
  return (
    "Columns by month. " +
    series
      .map(
        (one) =>
          `${one.name}: ${usd(
            months.reduce((sum, month) => sum + one.amount(month.sums), 0n),
          )} in all`,
      )
      .join(". ") +
    ". The table below has each month."
  );
}

function periodText(seconds) {
  if (!seconds) return "none";
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds % 60 === 0) return `${seconds / 60} min`;
  return `${(seconds > 60 ? `${Math.floor(seconds / 60)}m ` : "") + (seconds % 60)}s`;
}

// Two lines over the periods: what idle time costs, and what the waiting saved is worth.
function curve(host, points) {
  const priced = points.filter((point) => point[1] !== null);
  const values = priced.flatMap((point) => [point[1], point[2] ?? 0]);
  if (!values.length || !(Math.max(...values) > 0)) {
    host.replaceChildren(
      element(
        "p",
        { className: "none" },
        "The price is not known, or no period would cost anything.",
      ),
    );
    return;
  }
  const { svg, box } = canvas(host, 260, Math.max(...values));
  const step = (box.right - box.left - 40) / Math.max(1, priced.length - 1);
  const x = (place) => box.left + 20 + step * place;
  priced.forEach((point, place) => {
    const side = place > priced.length / 2 ? -1 : 1;
    for (const mark of point[3].split(", ").filter(Boolean)) {
      svg.append(
        drawn("line", {
          class: `mark ${mark}`,
          x1: x(place),
          x2: x(place),
          y1: box.top,
          y2: box.bottom,
        }),
        drawn(
          "text",
          {
            class: "head",
            x: x(place),
            y: box.top - (mark === "current" ? 3 : -11),
            dx: 5 * side,
            "text-anchor": side < 0 ? "end" : "start",
          },
          mark,
        ),
      );
    }
    if (step > 38 || place % 2 === 0) {
      svg.append(
        drawn(
          "text",
          {
            class: "tick",
            x: x(place),
            y: box.bottom + 17,
            "text-anchor": "middle",
          },
          periodText(point[0]),
        ),
      );
    }
  });
  line(
    svg,
    "cost",
    priced.map((point, place) => [
      x(place),
      box.y(point[1]),
      `${periodText(point[0])}: idle time costs ${usdOf(point[1])}`,
    ]),
  );
  if (priced.every((point) => point[2] !== null)) {
    line(
      svg,
      "worth",
      priced.map((point, place) => [
        x(place),
        box.y(point[2]),
        `${periodText(point[0])}: waiting saved is worth ${usdOf(point[2])}`,
      ]),
    );
  }
  place(
    host,
    svg,
    "Two lines over keep-alive periods, modelled: what idle time costs a month, and " +
      "what the waiting saved is worth. The table below has the figures.",
  );
  host.prepend(
    element(
      "ul",
      { className: "key" },
      swatch("cost", "idle time costs"),
      swatch("worth", "waiting saved is worth"),
      element("li", {}, "USD a month, modelled"),
    ),
  );
}

const usdOf = (value) => `${usd(BigInt(Math.round(value * 100)) * (PICO / 100n))} a month`;

function line(svg, kind, points) {
  svg.append(
    drawn("polyline", {
      class: `line ${kind}`,
      points: points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
    }),
  );
  for (const [x, y, text] of points) {
    svg.append(
      drawn(
        "circle",
        { class: `dot ${kind}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 4 },
        drawn("title", {}, text),
      ),
    );
  }
}

function swatch(kind, text) {
  const sample = drawn(
    "svg",
    { class: "swatch", "aria-hidden": "true" },
    drawn("rect", { class: kind, width: "100%", height: "100%" }),
  );
  return element("li", {}, sample, text);
}

const curves = new Map(data.curves);

function drawCurve(details) {
  if (details.open && !details.hidden) {
    const number = Number(details.dataset.row);
    curve(byId(`chart-curve-${number}`), curves.get(number));
  }
}

// ---- the filters ----

const form = byId("filters");
const fields = form.elements;

function filterOf() {
  const filter = {};
  for (const name of DIMENSIONS) {
    filter[name] = fields[name].value === "" ? null : Number(fields[name].value);
  }
  const from = Number(fields.from.value);
  const through = Math.max(from, Number(fields.through.value));
  fields.through.value = String(through);
  filter.since = data.months[from];
  filter.until = data.months[through + 1] ?? data.until;
  return filter;
}

let shown = null; // what the charts show, to draw them again

function drawCharts() {
  if (shown === null) return;
  const waste = [
    {
      kind: "wasted",
      name: "wasted",
      amount: (sums) => sums.wasted,
      head: (sums) =>
        sums.wasted + sums.reused
          ? `${halfUp(sums.wasted * 100n, sums.wasted + sums.reused)} %`
          : "",
    },
    { kind: "reused", name: "reused", amount: (sums) => sums.reused },
  ];
  const training = [
    {
      kind: "training",
      name: "training",
      amount: (sums) => sums.training,
      head: (sums) => (sums.training ? factor(pools(sums), sums.training) : ""),
    },
    { kind: "pools", name: "warm pools", amount: pools },
  ];
  columns(byId("chart-months"), shown.months, waste, true, spoken(shown.months, waste));
  columns(byId("chart-training"), shown.months, training, false, spoken(shown.months, training));
  document.querySelectorAll("details[data-row]").forEach(drawCurve);
}

function showPeriod(filter) {
  const last = plusDays(filter.until, -1);
  byId("period").textContent =
    last === filter.since ? `${last} (UTC days)` : `${filter.since} to ${last} (UTC days)`;
  const chosen = DIMENSIONS.filter((name) => filter[name] !== null);
  byId("filtered").replaceChildren(
    ...chosen.flatMap((name) => [
      `, ${name === "type" ? "instance type" : name} `,
      element("bdi", {}, label(name, filter[name])),
    ]),
  );
  document.querySelectorAll("[data-report]").forEach((code) => {
    code.textContent =
      "sagemaker-exporter report " +
      code.dataset.report +
      " --since " +
      filter.since +
      " --until " +
      filter.until +
      chosen.map((name) => ` --by ${name === "type" ? "instance_type" : name}`).join("");
  });
}

function show() {
  const filter = filterOf();
  const chosen = cells.filter((cell) => isChosen(cell.key, filter));
  const total = add(chosen, filter.since, filter.until);
  const families = grouped(chosen, "family", filter.since, filter.until);
  byId("headline").replaceChildren(
    ...headline(total, families).map((text) =>
      typeof text === "string" ? text : element("bdi", {}, text.name),
    ),
  );
  showPeriod(filter);
  showTiles(chosen, total, filter.until);
  showAdvice(filter);
  showIdle(filter);
  const months = data.months
    .map((since, place) => [since, data.months[place + 1] ?? data.until])
    .filter(([since]) => since >= filter.since && since < filter.until)
    .map(([since, until]) => ({ since, until, sums: add(chosen, since, until) }));
  const isRunning = (month) => month.since === monthOf(data.today) && data.today < month.until;
  const name = (month) => month.since.slice(0, 7) + (isRunning(month) ? " to date" : "");
  fillTable(
    byId("table-months"),
    months.map((one) => row(name(one), monthCells(one.sums))),
    row("total", monthCells(total)),
  );
  fillTable(
    byId("table-training"),
    months.map((one) => row(name(one), trainingCells(one.sums))),
    row("total", trainingCells(total)),
  );
  for (const dimension of DIMENSIONS) {
    showGroup(
      dimension,
      dimension === "family" ? families : grouped(chosen, dimension, filter.since, filter.until),
      total,
    );
  }
  shown = { months };
  drawCharts();
}

function chooseGroup() {
  const chosen = document.querySelector("#by input:checked").value;
  for (const dimension of DIMENSIONS) byId(`group-${dimension}`).hidden = dimension !== chosen;
}

// A link to a curve opens it.
function openTarget() {
  const target = location.hash && byId(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.querySelector("summary").focus();
  }
}

async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch {
    // a page from a file may not be allowed to
    getSelection().selectAllChildren(code);
    button.textContent = "selected";
  }
  setTimeout(() => {
    button.textContent = "copy";
  }, 2000);
}

function addCopyButtons() {
  for (const code of document.querySelectorAll(".setting code")) {
    const button = element("button", { type: "button", className: "copy" }, "copy");
    button.setAttribute("aria-label", `copy ${code.textContent}`);
    button.addEventListener("click", () => copy(button, code));
    code.after(" ", button);
  }
}

form.hidden = false;
byId("by").hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => {
  show();
  byId("said").textContent = `${byId("headline").textContent}. ${byId("saving").textContent}`;
});
form.addEventListener("reset", () => setTimeout(show));
byId("by").addEventListener("change", chooseGroup);
document.querySelectorAll("details[data-row]").forEach((details) => {
  details.addEventListener("toggle", () => drawCurve(details));
});
window.addEventListener("hashchange", openTarget);
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) {
    width = window.innerWidth;
    drawCharts();
  }
});
addCopyButtons();
chooseGroup();
show();
openTarget();
document.body.dataset.ready = "yes";
