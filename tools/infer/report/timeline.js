/* The timeline: waveform, emotions and scores of every channel over one axis of time. It is a slider for the keyboard and
 * for screen readers; the table of segments says the same in words. */

const AXIS = 24, TITLE = 22, WAVE = 76, LANE = 24, GAP = 8, SCORES = 84, SPACE = 16, LANES = 3;
const MOST_ZOOM = 4096;

/* Where rows are drawn, in the order of their starts. Windows that overlap evenly share what they overlap; other rows that
 * do lie in lanes. */
function placed(rows) {
    const cells = rows.map(row => ({row, from: row.start, to: row.end, lane: 0})).sort((a, b) => a.from - b.from);
    const hop = cells.length > 1 ? cells[1].from - cells[0].from : 0;
    const even = hop > 0 && cells.every((c, i) => !c.row.speaker && (i === 0 ||
        Math.abs(c.from - cells[i - 1].from - hop) < .02 || i === cells.length - 1 && c.from > cells[i - 1].from));
    const free = [];
    cells.forEach((cell, i) => {
        const next = cells[i + 1];
        if (even) {
            if (next && cell.row.end > next.row.start) cell.to = next.from = (cell.row.end + next.row.start) / 2;
            return;
        }
        const lane = free.findIndex(end => end <= cell.from + 1e-3);
        cell.lane = Math.min(lane >= 0 ? lane : free.length, LANES - 1);
        free[cell.lane] = Math.max(cell.to, free[cell.lane] || 0);
    });
    return cells;
}

/* Rows by what they are about: a channel, or all of them mixed. */
function channelGroups(detail) {
    const timed = detail.rows.filter(row => known(row.start) && row.end > row.start);
    const numbers = [...new Set(timed.map(row => row.channel))].sort((a, b) => (a ?? -1) - (b ?? -1));
    const shown = numbers.length ? numbers : [null];
    return shown.map(channel => {
        const cells = placed(timed.filter(row => row.channel === channel));
        const peaks = channel !== null && detail.peaks[channel] ? [detail.peaks[channel]] : detail.peaks;
        return {channel, cells, peaks, lanes: Math.max(1, ...cells.map(c => c.lane + 1)),
                name: channel !== null ? `Channel ${channel}` : detail.peaks.length > 1 ? "All channels, mixed" : ""};
    });
}

/* The index behind the last cell that begins at t or before. */
function firstAfter(cells, t) {
    let low = 0, high = cells.length;
    while (low < high) {
        const middle = low + high >> 1;
        if (cells[middle].from <= t) low = middle + 1; else high = middle;
    }
    return low;
}
function cellAt(group, t) {
    const found = group.cells.slice(Math.max(0, firstAfter(group.cells, t) - 64), firstAfter(group.cells, t));
    return found.reverse().find(c => c.to > t) || null;
}

/* Steps of 1, 2, 5, 10, 15, 30 s, ... so that about 90 px lie between ticks. */
function tickStep(pixelsPerSecond) {
    const steps = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000];
    return steps.find(s => s * pixelsPerSecond >= 80) || 86400;
}

function waveform(group, detail, view, top) {
    const middle = top + WAVE / 2, half = WAVE / 2 - 2, step = detail.step, up = [], down = [];
    if (!group.peaks.length) return null;
    const loudest = detail.loudest || 1;
    for (let x = 0; x < view.width; x++) {
        const t = view.from + x / view.scale, first = Math.floor(t / step);
        const last = Math.max(first + 1, Math.floor((t + 1 / view.scale) / step));
        let low = 0, high = 0;
        for (const peaks of group.peaks)
            for (let i = first; i < last && 2 * i < peaks.length; i++) {
                if (peaks[2 * i] < low) low = peaks[2 * i];
                if (peaks[2 * i + 1] > high) high = peaks[2 * i + 1];
            }
        up.push(`${x} ${(middle - half * high / loudest - .4).toFixed(1)}`);
        down.push(`${x} ${(middle - half * low / loudest + .4).toFixed(1)}`);
    }
    return svg("path", {class: "wave", d: `M${up.join("L")}L${down.reverse().join("L")}Z`});
}

/* What fits into so many pixels of a band. */
function fitting(text, width) {
    if (width >= text.length * 7 + 10) return text;
    return width >= 32 ? text.slice(0, 3) : "";
}

function bands(group, view, top) {
    const out = [], failed = [];
    for (const cell of visible(group, view)) {
        const x = view.x(cell.from), width = Math.max(view.x(cell.to) - x, 1), k = colours[cell.row.label];
        const y = top + WAVE + cell.lane * LANE, bad = !known(cell.row.label), gap = width > 4 ? 1 : 0;
        const box = {x: x.toFixed(2), width: (width - gap).toFixed(2)};
        if (!bad && cell.lane === 0)
            out.push(svg("rect", {class: "tint", ...box, y: top, height: WAVE, style: `fill:var(--k${k})`}));
        const g = svg("g", {class: cell === view.current.get(group) ? "segment on" : "segment"},
            svg("rect", {class: bad ? "bad" : "tint", ...box, y: y + 1, height: LANE - 2,
                         style: bad ? null : `fill:var(--k${k})`}),
            bad ? null : svg("rect", {...box, y: y + 1, height: 6, fill: `url(#k${k})`}));
        const text = fitting(bad ? "error" : classes[cell.row.label], width);
        if (text) g.append(svg("text", {x: (Math.max(x, 0) + Math.min(view.x(cell.to), view.width)) / 2, y: y + 19}, text));
        (bad ? failed : out).push(g);
    }
    return out.concat(failed);
}

const visible = (group, view) => group.cells.slice(0, firstAfter(group.cells, view.to)).filter(c => c.to > view.from);

/* Stacked shares, each as high as its probability. */
function stacked(group, view, top) {
    const paths = classes.map(() => []), cells = visible(group, view).filter(c => c.row.scores);
    cells.forEach((cell, n) => {
        const next = cells[n + 1], to = next && next.from > cell.from ? Math.min(cell.to, next.from) : cell.to;
        const x = view.x(cell.from).toFixed(2), width = Math.max(view.x(to) - view.x(cell.from), .6).toFixed(2);
        let y = top + SCORES;
        cell.row.scores.forEach((share, i) => {
            const height = (share || 0) * SCORES;
            y -= height;
            if (height > .05) paths[i].push(`M${x} ${y.toFixed(2)}h${width}v${height.toFixed(2)}h-${width}z`);
        });
    });
    return paths.map((d, i) => d.length ? svg("path", {d: d.join(""), fill: `url(#k${colours[i]})`}) : null);
}

/* A line for each value, through the middles of the segments. */
function valueLines(group, view, top) {
    const {low, high} = view.range, y = v => top + SCORES - 3 - (v - low) / (high - low) * (SCORES - 6);
    const around = group.cells.filter((c, i, all) => {
        const before = all[i - 1], after = all[i + 1];
        return c.to > view.from && c.from < view.to || after && after.to > view.from && c.from < view.to ||
            before && before.from < view.to && c.to > view.from;
    });
    return classes.map((name, i) => {
        const points = around.filter(c => c.row.scores && known(c.row.scores[i]))
            .map(c => `${view.x((c.from + c.to) / 2).toFixed(1)} ${y(c.row.scores[i]).toFixed(1)}`);
        if (!points.length) return null;
        const lone = points.length === 1 ? points[0].split(" ") : null;
        return svg("path", {class: `value v${i % 4}`, style: `--k:var(--k${colours[i]})`,
            d: lone ? `M0 ${lone[1]}H${view.width}` : `M${points.join("L")}`});
    });
}

function drawGroup(group, detail, view, top) {
    const out = [], wave = top + (view.titles ? TITLE : 0), scores = wave + WAVE + (labelled ? group.lanes * LANE : 0) + GAP;
    if (view.titles) out.push(svg("text", {class: "title", x: 2, y: top + 15}, group.name));
    out.push(svg("rect", {class: "field", y: wave, width: view.width, height: WAVE}));
    const segments = labelled ? bands(group, view, wave) : [];
    out.push(...segments.filter(s => s.classList.contains("tint")), waveform(group, detail, view, wave),
        ...segments.filter(s => !s.classList.contains("tint")));
    if (classes.length) {
        out.push(svg("rect", {class: "field", y: scores, width: view.width, height: SCORES}));
        out.push(...(labelled ? stacked : valueLines)(group, view, scores));
        if (about.values) [[view.range.high, 12], [view.range.low, SCORES - 4]].forEach(([v, y]) =>
            out.push(svg("text", {class: "scale", x: 4, y: scores + y}, decimal(v))));
    }
    return out;
}
const groupHeight = (group, titles) => (titles ? TITLE : 0) + WAVE + (labelled ? group.lanes * LANE : 0) +
    (classes.length ? GAP + SCORES : 0) + SPACE;

function axis(view, height) {
    const step = tickStep(view.scale), out = [];
    for (let n = Math.ceil(view.from / step); n * step <= view.to; n++) {
        const x = view.x(n * step);
        out.push(svg("line", {class: "tick", x1: x, x2: x, y1: AXIS - 6, y2: height}),
            svg("text", {class: "time", x: Math.min(Math.max(x, 14), view.width - 16), y: 13}, clock(n * step, 1, true)));
    }
    return out;
}
