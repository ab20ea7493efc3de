#include "tools/train/report/parts.h"

/* Colours are named once, for light (and paper) and dark; charts refer to the names. The eight of the series keep apart
 * under the common colour vision deficiencies, in their order. */
static const char *const lines[] = {
    ":root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#5b6576;--line:#d9dee6;",
    "--grid:#e9ecf1;--heat:#1f5fa8;--hot:#fff;--c0:#2f6fb7;--c1:#d3590a;--c2:#138a63;--c3:#8b4bb8;--c4:#a87a00;",
    "--c5:#c2337a;--c6:#5a6b7d;--c7:#0d8fa8;--b0:#b9d0ea;--b1:#7aa6d6;--b2:#1f5fa8}\n",
    "@media screen and (prefers-color-scheme:dark){:root{--page:#12161d;--card:#1a202a;--ink:#e7ebf2;",
    "--soft:#9aa6b8;--line:#313a48;--grid:#262e3a;--heat:#69a9ee;--hot:#0c1420;--c0:#69a9ee;--c1:#f39a4c;",
    "--c2:#4cc79c;--c3:#c393ea;--c4:#e0b84a;--c5:#f080b4;--c6:#a5b3c4;--c7:#4fc3d9;--b0:#2f4a6b;--b1:#4a7fb8;",
    "--b2:#8cc0f6}}\n",
    "*{box-sizing:border-box}\n",
    "body{margin:0;background:var(--page);color:var(--ink);",
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;",
    "font-variant-numeric:tabular-nums}\n",
    "main{max-width:1100px;margin:0 auto;padding:32px 20px 24px}\n",
    "h1{font-size:26px;line-height:1.2;margin:0;overflow-wrap:anywhere}\n",
    "h2{font-size:18px;margin:36px 0 12px;overflow-wrap:anywhere}\n",
    "small{color:var(--soft);font-weight:400;font-size:13px}\n",
    ".about{color:var(--soft);margin:4px 0 20px}\n",
    ".tiles{display:flex;flex-wrap:wrap;gap:12px;margin:0 0 12px}\n",
    ".tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 18px;flex:1 1 150px;",
    "max-width:300px}\n",
    ".tile b{display:block;font-size:30px;line-height:1.15;font-weight:650}\n",
    ".tile span{display:block;overflow-wrap:anywhere}\n",
    ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr));gap:0 28px;margin:0;",
    "background:var(--card);border:1px solid var(--line);border-radius:10px;padding:8px 18px}\n",
    ".facts div{display:flex;gap:14px;justify-content:space-between;padding:5px 0;border-bottom:1px solid "
    "var(--grid)}\n",
    ".facts dt{color:var(--soft);flex:0 0 auto;max-width:60%;overflow-wrap:anywhere}\n",
    ".facts dd{margin:0;text-align:right;overflow-wrap:anywhere;min-width:0}\n",
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px;",
    "align-items:start}\n",
    "figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px 10px;",
    "min-width:0;max-width:680px}\n",
    "figcaption{font-weight:600;margin-bottom:4px}\n",
    ".legend{display:flex;flex-wrap:wrap;gap:2px 16px;margin:4px 0 6px;font-size:13px;color:var(--soft)}\n",
    ".legend svg{width:20px;height:12px;margin-right:6px;vertical-align:-1px}\n",
    ".legend .s0{stroke-width:4}.legend span{overflow-wrap:anywhere}\n",
    "figure>svg{display:block;width:100%;height:auto;font:11.5px system-ui,-apple-system,\"Segoe UI\",Roboto,",
    "\"Helvetica Neue\",Arial,sans-serif}\n",
    "svg text{fill:var(--ink)}.ticks text{fill:var(--soft)}.ticks .value{fill:var(--ink);font-size:10.5px}\n",
    ".mid{text-anchor:middle}.end{text-anchor:end}\n",
    ".grid line{stroke:var(--grid)}.grid .epoch{stroke:var(--line);stroke-dasharray:2 3}\n",
    ".axis,.ticks line{stroke:var(--soft);fill:none;stroke-opacity:.7}\n",
    ".mark{stroke:var(--ink);stroke-dasharray:5 3;stroke-opacity:.55}.marked{font-size:11px}\n",
    ".s0,.s1,.s2{fill:none;stroke:var(--c);stroke-linejoin:round;stroke-linecap:round}\n",
    ".s0{stroke-opacity:.36;stroke-width:1}.s1{stroke-width:2}.s2{stroke-width:1.6}\n",
    ".dot{fill:var(--c);stroke:var(--card);stroke-width:1}\n",
    ".c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}",
    ".c6{--c:var(--c6)}.c7{--c:var(--c7)}.b0{fill:var(--b0)}.b1{fill:var(--b1)}.b2{fill:var(--b2)}\n",
    ".cell{fill:var(--card)}.heat{fill:var(--heat);stroke:var(--line);stroke-width:.6}svg .hot{fill:var(--hot)}svg "
    ".none{fill:var(--soft)}\n",
    ".wide{overflow-x:auto;margin-top:16px;background:var(--card);border:1px solid var(--line);border-radius:10px}\n",
    "table{border-collapse:collapse;width:100%}\n",
    "th,td{padding:7px 16px;text-align:right;font-weight:400;white-space:nowrap}\n",
    "thead th{color:var(--soft);font-size:13px;border-bottom:1px solid var(--line)}\n",
    "tbody tr+tr>*{border-top:1px solid var(--grid)}\n",
    "th:first-child{text-align:left}tbody "
    "th{font-weight:600;white-space:normal;overflow-wrap:break-word;max-width:17em}\n",
    "footer{margin-top:36px;color:var(--soft);font-size:13px}\n",
    "@media (max-width:520px){main{padding:20px 12px}figure{padding:12px 10px 8px}th,td{padding:7px 10px}",
    "figure>svg{font-size:13px}}\n",
    "@media print{:root{--page:#fff}body{font-size:11pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}",
    "main{max-width:none;padding:0}.charts{grid-template-columns:1fr 1fr}",
    "figure,.tile,tr,.facts div{break-inside:avoid}h2{break-after:avoid}}\n",
};

void train_report_put_style(train_text *t)
{
    train_text_put(t, "<style>\n");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) train_text_put(t, lines[i]);
    train_text_put(t, "</style>\n");
}
