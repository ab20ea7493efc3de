/* A recording, opened: player, timeline, totals, table of segments. */

const ROW = ["channel", "start", "end", "label", "scores", "speaker", "text", "error"];

function readDetail(recording) {
    const detail = json(details[recording.index]);
    detail.rows = detail.rows.map((values, index) => {
        const row = {index};
        ROW.forEach((name, i) => row[name] = values[i] ?? null);
        return row;
    });
    detail.peaks = detail.peaks.map(text => Int8Array.from(atob(text), c => c.charCodeAt(0) << 24 >> 24));
    detail.loudest = detail.peaks.reduce((top, peaks) => peaks.reduce((a, x) => Math.max(a, Math.abs(x)), top), 1);
    const ends = detail.rows.map(row => row.end || 0);
    detail.seconds = recording.seconds || ends.reduce((a, b) => Math.max(a, b), 0);
    return detail;
}

/* The scale of values: 0 to 1 where all are in it, else what there is. */
function valueRange(detail) {
    const all = detail.rows.flatMap(row => row.scores || []).filter(known);
    const low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!about.values || !all.length || low >= 0 && high <= 1) return {low: 0, high: 1};
    const margin = (high - low || 1) * .1;
    return {low: low - margin, high: high + margin};
}

/* {element, close()}: the player, or a word on why there is none. */
function player(recording, detail) {
    const note = el("p", {class: "note"}, detail.note);
    if (!detail.embedded && !detail.link) return {audio: null, element: note, close() {}};
    const audio = el("audio", {controls: true, preload: "metadata", "aria-label": `Recording ${recording.name}`});
    let url = null;
    if (detail.embedded) {
        const bytes = Uint8Array.from(atob(sounds[recording.index].textContent), c => c.charCodeAt(0));
        url = URL.createObjectURL(new Blob([bytes], {type: "audio/wav"}));
    }
    audio.addEventListener("error", () => note.textContent = "The browser cannot play this recording: either it is not at " +
        `${decodeURI(detail.link || "its place")}, seen from this page, or it is in a format that browsers do not know.`);
    audio.src = url || detail.link;
    return {audio, element: el("div", {class: "player"}, audio, note), close() {
        audio.pause();
        audio.removeAttribute("src");
        if (url) URL.revokeObjectURL(url);
    }};
}

const rowWords = row => row.error ? `not labelled: ${row.error}`
    : labelled ? `${classes[row.label]} ${percent(row.scores[row.label])}`
    : row.scores ? classes.map((name, i) => `${name} ${decimal(row.scores[i])}`).join(", ") : "";

/* What is said of a moment, a line a channel. */
function readout(groups, cells, t) {
    return groups.map(group => {
        const cell = cells.get(group), row = cell && cell.row;
        const others = row && row.scores && labelled ? row.scores.map((s, i) => [s, i]).filter(([s, i]) => i !== row.label)
            .sort((a, b) => b[0] - a[0]).filter(([s]) => s >= .005) : [];
        return el("p", {}, group.name && el("span", {class: "who"}, group.name),
            el("span", {class: "when"}, row ? `${clock(row.start, 2)} – ${clock(row.end, 2)}` : clock(t, 1)),
            row && row.speaker && el("span", {class: "speaker"}, row.speaker),
            row ? el("b", {}, labelled && known(row.label) ? swatch(row.label) : null, rowWords(row))
                : el("span", {class: "soft"}, "no segment here"),
            others.map(([s, i]) => el("span", {class: "soft"}, `${classes[i]} ${percent(s)}`)),
            row && row.text && el("q", {}, row.text));
    });
}

function legend() {
    return el("ul", {class: "legend", "aria-label": about.values ? "Values" : "Emotions"},
        classes.map((name, i) => el("li", {}, swatch(i), name)));
}

/* The moving parts: everything that follows the position. */
function timeline(recording, detail, audio, onMove) {
    const groups = channelGroups(detail), seconds = detail.seconds || 1, titles = groups.length > 1 || groups[0].name;
    const range = valueRange(detail), height = AXIS + sum(groups.map(g => groupHeight(g, titles)));
    const starts = [...new Set(groups.flatMap(g => g.cells.map(c => c.from)))].sort((a, b) => a - b);
    const picture = svg("svg", {class: "picture", height, "aria-hidden": "true"}), cursor = svg("line", {class: "cursor"});
    const hand = svg("line", {class: "hand", y1: AXIS - 6, y2: height - SPACE, visibility: "hidden"});
    const spacer = el("div", {class: "spacer"}, picture);
    const box = el("div", {class: "scroll", tabindex: 0, role: "slider", "aria-label": "Position in the recording",
        "aria-valuemin": 0, "aria-valuemax": seconds.toFixed(1)}, spacer);
    const words = el("div", {class: "readout"});
    let zoom = 1, time = 0, view = null, waiting = false, current = new Map();

    const at = t => new Map(groups.map(group => [group, cellAt(group, t)]));
    const zoomed = el("span", {class: "soft", role: "status"});

    function draw() {
        waiting = false;
        const width = Math.max(box.clientWidth, 1);
        spacer.style.width = `${width * zoom}px`;
        const scale = width * zoom / seconds, from = box.scrollLeft / scale;
        view = {width, scale, from, to: from + width / scale, range, titles, current, x: t => (t - from) * scale};
        picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
        picture.style.width = `${width}px`;
        let top = AXIS;
        const parts = axis(view, height - SPACE);
        for (const group of groups) {
            parts.push(...drawGroup(group, detail, view, top));
            top += groupHeight(group, titles);
        }
        picture.replaceChildren(...parts.filter(known), hand, cursor);
        place();
    }
    function later() {
        if (!waiting) requestAnimationFrame(draw);
        waiting = true;
    }
    function place() {
        const x = view ? view.x(time) : 0;
        put(cursor, {x1: x, x2: x, y1: 0, y2: height - SPACE}, []);
    }
    function move(t, follow) {
        time = Math.min(Math.max(t, 0), seconds);
        const before = current;
        current = at(time);
        const changed = groups.some(g => before.get(g) !== current.get(g)) || !before.size;
        const spoken = groups.map(g => [g.name, current.get(g) ? rowWords(current.get(g).row) : "no segment"]
            .filter(Boolean).join(" ")).join("; ");
        box.setAttribute("aria-valuenow", time.toFixed(1));
        box.setAttribute("aria-valuetext", `${clock(time, 1)} of ${clock(seconds)}. ${spoken}`);
        if (changed || !audio || audio.paused) words.replaceChildren(...readout(groups, current, time));
        if (follow && view && (time < view.from || time > view.to))
            box.scrollLeft = Math.max(0, time * view.scale - view.width * .1);
        if (changed) later();
        place();
        onMove([...current.values()].filter(Boolean).map(c => c.row));
    }
    function seek(t, play) {
        move(t, true);
        if (!audio) return;
        audio.currentTime = time;
        if (play) audio.play().catch(() => {});
    }
    function setZoom(factor, keep) {
        const middle = keep ?? time;
        zoom = Math.min(Math.max(factor, 1), Math.max(1, Math.min(MOST_ZOOM, seconds)));
        zoomed.textContent = zoom > 1 ? `${Number(zoom.toFixed(1))} times as wide` : "";
        spacer.style.width = `${box.clientWidth * zoom}px`;
        box.scrollLeft = middle / seconds * box.clientWidth * zoom - box.clientWidth / 2;
        draw();
    }
    const moment = event => view.from + (event.clientX - box.getBoundingClientRect().left) / view.scale;
    const step = by => {
        const after = starts.findIndex(s => s > time + 1e-3), next = after < 0 ? starts.length : after;
        const here = next > 0 && starts[next - 1] > time - 1e-3 ? next - 1 : next - .5; /* on a start, or behind one */
        const to = by > 0 ? next - 1 + by : Math.ceil(here) + by;
        return starts[Math.min(Math.max(to, 0), starts.length - 1)] ?? 0;
    };
    const keys = {
        ArrowRight: e => seek(e.shiftKey ? time + 1 : step(1)), ArrowLeft: e => seek(e.shiftKey ? time - 1 : step(-1)),
        ArrowUp: e => seek(e.shiftKey ? time + 1 : step(1)), ArrowDown: e => seek(e.shiftKey ? time - 1 : step(-1)),
        PageUp: () => seek(step(10)), PageDown: () => seek(step(-10)),
        Home: () => seek(0), End: () => seek(seconds),
        "+": () => setZoom(zoom * 2), "=": () => setZoom(zoom * 2), "-": () => setZoom(zoom / 2), 0: () => setZoom(1),
        Enter: () => toggle(), " ": () => toggle(),
    };
    function toggle() {
        if (audio && audio.paused) audio.play().catch(() => {});
        else if (audio) audio.pause();
    }
    box.addEventListener("keydown", event => {
        if (event.ctrlKey || event.altKey || event.metaKey || !keys[event.key]) return;
        event.preventDefault();
        keys[event.key](event);
    });
    box.addEventListener("click", event => view && seek(moment(event), true));
    box.addEventListener("scroll", later);
    box.addEventListener("pointermove", event => {
        if (!view || event.pointerType === "touch") return;
        const t = moment(event);
        put(hand, {x1: view.x(t), x2: view.x(t), visibility: "visible"}, []);
        words.replaceChildren(...readout(groups, at(t), t));
    });
    box.addEventListener("pointerleave", () => {
        hand.setAttribute("visibility", "hidden");
        words.replaceChildren(...readout(groups, current, time));
    });
    if (audio) {
        const run = () => {
            move(audio.currentTime, true);
            if (!audio.paused && !audio.ended) requestAnimationFrame(run);
        };
        audio.addEventListener("play", run);
        audio.addEventListener("seeked", () => move(audio.currentTime, true));
    }
    const watch = new ResizeObserver(later);
    watch.observe(box);
    const button = (text, name, act) => el("button", {type: "button", "aria-label": name, title: name, onclick: act}, text);
    const tools = el("div", {class: "tools"}, classes.length ? legend() : null, el("div", {class: "zoom"}, zoomed,
        button("−", "Narrower timeline", () => setZoom(zoom / 2)), button("+", "Wider timeline", () => setZoom(zoom * 2)),
        button("Fit", "The whole recording", () => setZoom(1))));
    const keysNote = el("p", {class: "keys soft"}, audio ? "Click to play from there. " : "",
        "Keys: arrows for segments, with Shift for seconds, ", audio ? "Space to play and pause, " : "", "+ and − to zoom.");
    move(0, false);
    const element = el("div", {class: "timeline"}, tools, box, words, keysNote);
    return {element, groups, seek, close: () => watch.disconnect()};
}

/* ---- Tables ---- */

function segmentTable(recording, detail, seek) {
    const rows = detail.rows, some = name => rows.some(row => known(row[name]));
    const columns = [{name: "Start", get: row => row.start, head: true, text: true, cell: row => el("button",
        {type: "button", class: "play", "aria-label": `Play from ${clock(row.start || 0, 2)}`,
         onclick: () => seek(row.start || 0, true)}, clock(row.start, 2))}];
    columns.push({name: "End", get: row => row.end, cell: row => clock(row.end, 2)});
    const words = (name, field, cell) => columns.push({name, text: true, get: row => row[field], cell});
    if (labelled) columns.push({name: "Emotion", text: true, get: row => known(row.label) ? classes[row.label] : null,
        cell: row => known(row.label) ? [swatch(row.label), classes[row.label]]
            : el("span", {class: "error"}, `not labelled: ${row.error || ""}`)});
    if (labelled) columns.push({name: "Score", get: row => row.scores && row.scores[row.label],
        cell: row => row.scores ? el("b", {}, percent(row.scores[row.label])) : "–"});
    if (some("channel")) columns.push({name: "Channel", get: row => row.channel, cell: row => row.channel ?? "all"});
    if (some("speaker")) words("Speaker", "speaker", row => row.speaker);
    if (some("text")) words("Text", "text", row => el("span", {class: "said"}, row.text));
    classes.forEach((name, i) => columns.push({name, get: row => row.scores && row.scores[i],
        cell: row => row.scores ? score(row.scores[i]) : "–"}));
    if (!labelled && some("error")) words("Error", "error", row => el("span", {class: "error"}, row.error));
    const made = new Map();
    const table = lazyTable("Segments of the recording", columns, (tr, row) => made.set(row, tr));
    table.set(rows);
    let marked = [];
    return {element: table.element, mark(now) {
        marked.forEach(row => made.get(row)?.removeAttribute("aria-current"));
        now.forEach(row => made.get(row)?.setAttribute("aria-current", "true"));
        marked = now;
    }};
}

function channelShares(detail, groups) {
    return groups.map(group => {
        const rows = group.cells.map(c => c.row).filter(row => row.scores), name = group.name;
        const whole = sum(rows.map(row => row.end - row.start));
        return about.values
            ? {name, mean: classes.map((_, i) => sum(rows.map(r => (r.scores[i] || 0) * (r.end - r.start))) / whole)}
            : {name, time: classes.map((_, i) => sum(rows.filter(r => r.label === i).map(r => r.end - r.start)))};
    }).filter(c => sum(c.mean || c.time) > 0 || c.mean);
}

/* {element, heading, close()} */
function openRecording(recording, level, around) {
    const detail = readDetail(recording), play = player(recording, detail);
    let table = null;
    const line = timeline(recording, detail, play.audio, rows => table && table.mark(rows));
    table = segmentTable(recording, detail, line.seek);
    const heading = el(level, {tabindex: -1}, recording.name), shares = channelShares(detail, line.groups);
    const facts = [known(recording.seconds) && duration(recording.seconds),
        recording.channels > 0 && plural(recording.channels, "channel"), plural(recording.rows, "segment"),
        recording.failed > 0 && `${count(recording.failed)} not labelled`];
    const sub = level === "h1" ? "h2" : "h3";
    const failed = recording.failed === recording.rows ? "Not labelled: " : "Partly not labelled: ";
    const element = el("section", {class: "detail"}, around, heading,
        el("p", {class: "about"}, facts.filter(Boolean).join(" · ")),
        recording.error && el("p", {class: "error"}, failed, recording.error),
        play.element, line.element,
        classes.length && shares.length ? [el(sub, {}, about.values ? "Means" : "Share of time"),
            shareTable(about.values ? "Mean of each value" : "Share of time of each emotion", shares)] : null,
        el(sub, {}, "Segments"), table.element);
    return {element, heading, close() { line.close(); play.close(); }};
}
