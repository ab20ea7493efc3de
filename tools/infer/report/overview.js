/* All recordings: totals, and a table that sorts and filters. Then the start: which of the two is shown. */

const recordingLabel = r => r.time && sum(r.time) > 0 ? best(r.time) : null;
const shareOf = (r, i) => r.time && known(i) && sum(r.time) > 0 ? r.time[i] / sum(r.time) : null;

function overviewTable(chosen) {
    const columns = [{name: "Recording", head: true, text: true, get: r => r.name,
        cell: r => el("a", {href: `#${r.index + 1}`}, r.name)},
        {name: "Duration", get: r => r.seconds, cell: r => clock(r.seconds)}];
    const wanted = r => chosen.label ?? recordingLabel(r);
    const name = r => classes[recordingLabel(r)] ?? null;
    const main = r => name(r) ? [swatch(recordingLabel(r)), name(r)]
        : r.error ? el("span", {class: "error"}, `not labelled: ${r.error}`) : "–";
    if (labelled) columns.push({name: "Main emotion", text: true, get: name, cell: main},
        {name: "Its share", get: r => shareOf(r, wanted(r)), cell: r => percent(shareOf(r, wanted(r)))},
        {name: "All emotions", cell: r => r.time ? shareBar(r.time) : ""});
    else classes.forEach((value, i) =>
        columns.push({name: value, get: r => r.mean ? r.mean[i] : null, cell: r => decimal(r.mean && r.mean[i])}));
    columns.push({name: "Segments", get: r => r.rows, cell: r => count(r.rows)});
    if (totals.failed_rows) columns.push({name: "Failed", get: r => r.failed, cell: r => r.failed ? count(r.failed) : ""});
    if (!labelled && totals.failed_rows) columns.push({name: "Error", text: true, get: r => r.error ?? null,
        cell: r => el("span", {class: "error"}, r.error)});
    return lazyTable("Recordings", columns, (tr, r) => tr.dataset.index = r.index);
}

function filters(chosen, apply) {
    const text = el("input", {type: "search", id: "name", autocomplete: "off", spellcheck: "false", oninput: () => {
        chosen.text = text.value.toLowerCase();
        apply();
    }});
    const choices = [["any", "Any"], ...(labelled ? classes.map((name, i) => [String(i), name]) : []),
        ...(totals.failed_rows ? [["failed", "not labelled"]] : [])];
    const label = el("select", {id: "label", onchange: () => {
        chosen.failed = label.value === "failed";
        chosen.label = /^\d+$/.test(label.value) ? Number(label.value) : null;
        apply();
    }}, choices.map(([value, name]) => el("option", {value}, name)));
    return el("div", {class: "filters", role: "search"},
        el("label", {for: "name"}, "Name contains"), text,
        choices.length > 1 ? [el("label", {for: "label"}, labelled ? "With emotion" : "Show"), label] : null);
}

function overview() {
    const chosen = {text: "", label: null, failed: false}, table = overviewTable(chosen);
    const status = el("p", {class: "status soft", role: "status"});
    function apply() {
        const found = recordings.filter(r => (!chosen.text || r.name.toLowerCase().includes(chosen.text)) &&
            (!chosen.failed || r.failed > 0) && (chosen.label === null || r.time && r.time[chosen.label] > 0));
        if (labelled) table.rename(3, chosen.label === null ? "Its share" : `Share of ${classes[chosen.label]}`);
        table.set(found);
        status.textContent = found.length === recordings.length ? plural(found.length, "recording")
            : `${count(found.length)} of ${plural(recordings.length, "recording")}`;
    }
    apply();
    const all = totals.mean || totals.time ? [{name: "", mean: totals.mean, time: totals.time}] : null;
    const heading = el("h1", {tabindex: -1}, `Emotions in ${plural(recordings.length, "recording")}`);
    return {table, heading, element: el("section", {class: "overview"}, heading,
        el("p", {class: "about"}, about.model ? `Labelled with ${about.model}` : ""),
        el("div", {class: "tiles"}, tile(count(totals.recordings), totals.recordings === 1 ? "recording" : "recordings"),
            tile(duration(totals.seconds), "of audio"), tile(count(totals.rows), totals.rows === 1 ? "segment" : "segments"),
            totals.failed_rows ? tile(count(totals.failed_rows), "not labelled",
                totals.failed ? `${plural(totals.failed, "recording")} as a whole` : "") : null),
        all ? [el("h2", {}, about.values ? "Means" : "Share of time"),
            shareTable(about.values ? "Mean of each value" : "Share of time of each emotion", all)] : null,
        el("h2", {}, "Recordings"), filters(chosen, apply), status, table.element)};
}

function foot() {
    const facts = totals.facts.concat(recordings.length === 1 && about.model ? [["Model", about.model]] : []);
    return el("footer", {}, facts.length ? el("dl", {class: "facts"},
        facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))) : null,
        el("p", {}, `Made by wavlm.c ${about.version}.`,
            labelled ? " Emotions are what a model hears in a voice; they are estimates, not what a person feels." : ""));
}

function start() {
    const main = document.getElementById("main"), place = el("div"), one = recordings.length === 1;
    const list = one ? null : overview();
    let opened = null, from = null;
    function around(r) {
        const step = (by, text) => recordings[r.index + by] ? el("a", {href: `#${r.index + 1 + by}`}, text) : null;
        return el("nav", {"aria-label": "Recordings"}, el("a", {href: "#"}, "All recordings"), step(-1, "← Previous"),
            step(1, "Next →"));
    }
    function show(focus) {
        const r = recordings[Number(location.hash.slice(1)) - 1];
        if (opened) opened.close();
        opened = r || one ? openRecording(r || recordings[0], one ? "h1" : "h2", one ? null : around(r)) : null;
        if (opened && from === null) from = window.scrollY;
        place.replaceChildren(opened ? opened.element : list.element);
        const title = (opened || list).heading.textContent;
        document.title = title + (about.model ? ` · ${about.model}` : "");
        if (focus && opened) window.scrollTo(0, 0);
        if (focus) (opened || list).heading.focus({preventScroll: true});
        if (focus && !opened) window.scrollTo(0, from || 0);
        if (!opened) from = null;
    }
    main.replaceChildren(patterns(), place, foot());
    addEventListener("hashchange", () => show(true));
    show(false);
}
start();
