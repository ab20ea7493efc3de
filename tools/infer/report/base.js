"use strict";
/* The page's data, elements and words that all parts share. Text from users goes into the page as text nodes alone. */

const json = element => JSON.parse(element.textContent);
const about = json(document.getElementById("about"));
const totals = json(document.getElementById("totals"));
const recordings = Array.from(document.querySelectorAll("script.recording"), (element, index) => {
    const recording = json(element);
    recording.index = index;
    return recording;
});
const details = document.querySelectorAll("script.detail");
const sounds = document.querySelectorAll("script.audio");
const classes = about.classes;
const labelled = classes.length > 0 && !about.values;

/* Ten colours, each with a pattern. Common emotions have theirs in every page; other names take what is left. */
const FEELINGS = [/^neu/i, /^ang/i, /^(hap|joy)/i, /^sad/i, /^fea/i, /^disg/i, /^surp/i, /^contempt/i, /^calm/i];
const REST = [3, 1, 5, 2, 4, 6, 7, 8, 9, 0];
const colours = (() => {
    const taken = new Set(), chosen = classes.map(name => {
        const known = about.values ? -1 : FEELINGS.findIndex((pattern, i) => pattern.test(name) && !taken.has(i));
        if (known >= 0) taken.add(known);
        return known;
    });
    let turn = 0;
    return chosen.map(known => {
        if (known >= 0) return known;
        const free = REST.find(i => !taken.has(i));
        if (free === undefined) return REST[turn++ % REST.length];
        taken.add(free);
        return free;
    });
})();

function put(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else element.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) if (known(child) && child !== "" && child !== false) element.append(child);
    return element;
}
const el = (name, attributes, ...children) => put(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
    put(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

/* A sample of a class's colour and pattern. */
const swatch = i => svg("svg", {class: "swatch", viewBox: "0 0 18 14", "aria-hidden": "true"},
    about.values
        ? svg("path", {class: `value v${i % 4}`, style: `--k:var(--k${colours[i]})`, d: "M1 7H17"})
        : svg("rect", {width: 18, height: 14, rx: 3, fill: `url(#k${colours[i]})`}));

const count = new Intl.NumberFormat("en").format;
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many || one + "s"}`;
const percent = share => share === null || !isFinite(share) ? "–" : `${(100 * share).toFixed(share < .0995 ? 1 : 0)} %`;
const sum = numbers => numbers.reduce((a, b) => a + b, 0);
const known = x => x !== null && x !== undefined;

/* 1:05, 1:01:05; with digits behind the point where asked for, and without those that say nothing where `short` is. */
function clock(seconds, digits = 0, short = false) {
    if (!known(seconds)) return "–";
    const whole = Number(seconds.toFixed(digits)), h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
    const all = (whole % 60).toFixed(digits), s = short ? String(Number(all)) : all;
    const padded = s.split(".")[0].length < 2 ? "0" + s : s;
    return h ? `${h}:${String(m).padStart(2, "0")}:${padded}` : `${m}:${padded}`;
}
/* For tiles and sentences: 4.1 s, 12 min, 3.5 h. */
function duration(seconds) {
    if (!known(seconds)) return "–";
    if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
    if (seconds < 3600) return clock(seconds) + " min";
    return `${count(Number((seconds / 3600).toFixed(1)))} h`;
}
/* A value of a model's scale. */
const decimal = x => !known(x) ? "–" : (Math.abs(x) < 10 ? x.toFixed(3) : x.toPrecision(4)).replace("-", "−");
const score = x => about.values ? decimal(x) : !known(x) ? "–" : percent(x);
const best = numbers => numbers.reduce((top, x, i) => x > numbers[top] ? i : top, 0);

/* The patterns that fills refer to; in the page once. */
function patterns() {
    const lines = ["", "M-2 6L6-2M2 10L10 2", "M2 2h.01M6 6h.01", "M0 4H8", "M-2 2L6 10M2-2L10 6", "M4 0V8",
                   "M0 0L8 8M8 0L0 8", "M0 2H8M0 6H8", "M2 0V8M6 0V8", "M4 0V8M0 4H8"];
    return svg("svg", {class: "defs", width: 0, height: 0, "aria-hidden": "true"}, svg("defs", {}, lines.map((d, i) =>
        svg("pattern", {id: `k${i}`, width: 8, height: 8, patternUnits: "userSpaceOnUse"},
            svg("rect", {width: 8, height: 8, style: `fill:var(--k${i})`}),
            d && svg("path", {d, class: i === 2 ? "dots" : "hatch"})))));
}
