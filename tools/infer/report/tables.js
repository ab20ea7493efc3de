/* Tables that sort, and make their rows as they are needed; tables and bars of shares. */

const ROWS = 100; /* that are made at a time */
const order = new Intl.Collator("en", {numeric: true, sensitivity: "base"}).compare;

/* columns: [{name, get: item => what is sorted by, cell: item => node or text, text: left-aligned, head: of its row}].
 * Items without a value are last in either order. mark(tr, item) is called for every row that is made. */
function lazyTable(caption, columns, mark) {
    let items = [], sorted = [], shown = 0, by = -1, up = true;
    const body = el("tbody"), more = el("button", {type: "button", class: "more", onclick: () => grow()});
    const heads = columns.map((column, i) => el("th", {scope: "col", class: column.text && "text"},
        column.get ? el("button", {type: "button", class: "sort", onclick: () => sort(i)},
                        el("span", {class: "name"}, column.name), el("span", {class: "arrow", "aria-hidden": "true"}))
                   : column.name));
    const table = el("table", {}, el("caption", {class: "hidden"}, caption), el("thead", {}, el("tr", {}, heads)), body);
    const box = el("div", {class: "wide", role: "region", tabindex: 0, "aria-label": caption}, table);
    const element = el("div", {class: "lazy"}, box, more);

    function sort(column) {
        up = by === column ? !up : !!columns[column].text;
        by = column;
        fill();
    }
    function grow() {
        const next = sorted.slice(shown, shown + ROWS);
        body.append(...next.map(item => {
            const tr = el("tr", {}, columns.map(column => el(column.head ? "th" : "td",
                {scope: column.head && "row", class: column.text && "text"}, column.cell(item))));
            mark(tr, item);
            return tr;
        }));
        shown += next.length;
        const left = sorted.length - shown;
        more.hidden = left === 0;
        more.textContent = left ? `Show ${count(Math.min(left, ROWS))} more of ${count(left)}` : "";
    }
    function fill() {
        sorted = items.slice();
        if (by >= 0) {
            const get = columns[by].get;
            sorted.sort((a, b) => {
                const x = get(a), y = get(b);
                if (!known(x) || !known(y)) return known(y) - known(x);
                const ordered = typeof x === "string" ? order(x, y) : x - y;
                return up ? ordered : -ordered;
            });
        }
        heads.forEach((head, i) => {
            if (!columns[i].get) return;
            head.setAttribute("aria-sort", i !== by ? "none" : up ? "ascending" : "descending");
            head.querySelector(".arrow").textContent = i !== by ? "" : up ? "▲" : "▼";
        });
        shown = 0;
        body.replaceChildren();
        grow();
    }
    new IntersectionObserver(seen => seen.some(s => s.isIntersecting) && !more.hidden && grow(), {rootMargin: "400px"})
        .observe(more);
    return {
        element,
        set(list) { items = list; fill(); },
        rename(column, name) { heads[column].querySelector(".name").textContent = name; },
        /* Makes rows until the item has one. */
        reach(item) {
            const at = sorted.indexOf(item);
            while (at >= shown) grow();
        },
        all() { while (!more.hidden) grow(); },
    };
}

/* A bar of all classes' shares, told in words to those who do not see it. */
function shareBar(time) {
    const whole = sum(time), parts = time.map((t, i) => [t / whole, i]).filter(p => p[0] > 0);
    if (!(whole > 0)) return "";
    const words = parts.slice().sort((a, b) => b[0] - a[0]).map(([s, i]) => `${classes[i]} ${percent(s)}`).join(", ");
    let x = 0;
    return svg("svg", {class: "share", viewBox: "0 0 100 14", preserveAspectRatio: "none", role: "img", "aria-label": words},
        svg("title", {}, words),
        parts.map(([s, i]) => {
            const rect = svg("rect", {x: 100 * x, width: 100 * s, height: 14, style: `fill:var(--k${colours[i]})`});
            x += s;
            return rect;
        }));
}

/* Shares of time a class, or means of values. columns: [{name, time or mean}]. */
function shareTable(caption, columns) {
    const many = columns.length > 1, key = about.values ? "mean" : "time";
    const wholes = columns.map(c => about.values ? 1 : sum(c[key]));
    return el("div", {class: "wide", role: "region", tabindex: 0, "aria-label": caption}, el("table", {class: "shares"},
        el("caption", {class: "hidden"}, caption),
        el("thead", {}, el("tr", {}, el("th", {scope: "col"}, about.values ? "Value" : "Emotion"), columns.map(c => [
            about.values ? el("th", {scope: "col"}, many ? `${c.name}: mean` : "Mean") : [
                el("th", {scope: "col"}, many ? `${c.name}: share` : "Share"),
                el("th", {scope: "col", class: "bar"}, el("span", {class: "hidden"}, "as a bar")),
                el("th", {scope: "col"}, "In segments")]]))),
        el("tbody", {}, classes.map((name, i) => el("tr", {}, el("th", {scope: "row"}, swatch(i), name),
            columns.map((c, j) => {
                if (about.values) return el("td", {}, decimal(c.mean[i]));
                const share = c.time[i] / wholes[j];
                return [el("td", {}, percent(share)),
                    el("td", {class: "bar"}, svg("svg", {viewBox: "0 0 100 12", preserveAspectRatio: "none",
                        "aria-hidden": "true"}, svg("rect", {class: "trough", width: 100, height: 12}),
                        svg("rect", {width: 100 * (share || 0), height: 12, style: `fill:var(--k${colours[i]})`}))),
                    el("td", {}, duration(c.time[i]))];
            }))))));
}

const tile = (value, name, note) =>
    el("div", {class: "tile"}, el("b", {}, value), el("span", {}, name), note && el("small", {}, note));
