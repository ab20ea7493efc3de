"""The checks of report_page.sh in a browser: a line "ok WHAT" or "bad WHAT: ..." each, "end" at last.

    report_page.py CHROMIUM FOLDER
"""
import sys
from browser import Browser

ROWS = "[...document.querySelectorAll('.lazy tbody tr')]"
CELL = ROWS + ".map(tr => tr.cells[%d].textContent)"
folder = sys.argv[2]
browser = Browser(sys.argv[1])
run, key = browser.run, browser.key


def same(what, found, expected):
    right = found == expected
    print("ok" if right else "bad", what if right else f"{what}: expected {expected!r}, found {found!r}")


def quiet(what):
    """Nothing said; asked for: files of this folder and the browser's own pictures of the player's buttons."""
    asked = [url for url in browser.requests if not url.startswith((f"file://{folder}/", "data:", "blob:", "about:"))]
    same(f"{what}: nothing on the console", browser.said, [])
    same(f"{what}: nothing asked of others", [url for url in asked if "/tests/data/" not in url], [])


def sort(column):
    run(f"document.querySelectorAll('.lazy .sort')[{column}].focus()")
    key("Enter")
    return run(f"document.querySelectorAll('.lazy thead th')[{column}].getAttribute('aria-sort')")


def folder_page():
    browser.open(f"file://{folder}/folder.html")
    same("folder: rows are made as needed", run(ROWS + ".length <= 300"), True)
    same("folder: the first recording", run(CELL % 0)[0], "EB0_neutral_1.wav")
    same("folder: how many", run("document.querySelector('[role=status]').textContent"), "5,000 recordings")
    same("folder: sorts up", sort(0), "ascending")
    same("folder: numbers in names count", run(CELL % 0)[0:2], ["2026-11/01/call-0000.wav", "2026-11/01/call-0001.wav"])
    same("folder: sorts down", sort(0), "descending")
    same("folder: the last name first", run(CELL % 0)[0], "WR0_neutral_5.wav")
    same("folder: sorts by duration, the longest first", sort(1), "descending")
    same("folder: and the other way round", sort(1), "ascending")
    seconds = run("recordings.map(r => r.seconds).filter(known).sort((a, b) => a - b).slice(0, 9).map(s => clock(s))")
    same("folder: the shortest first", run(CELL % 1)[0:9], seconds)
    same("folder: the others are not sorted", run("document.querySelectorAll('th[aria-sort=none]').length"), 5)
    run("document.getElementById('name').focus()")
    browser.call("Input.insertText", text="CALL-012")
    same("folder: filters by name", run(ROWS + ".length"), 10)
    same("folder: says how many", run("document.querySelector('[role=status]').textContent"), "10 of 5,000 recordings")
    run("{ const s = document.getElementById('label'); s.value = '3'; s.dispatchEvent(new Event('change')); }")
    wanted = run("recordings.filter(r => r.name.includes('call-012') && r.time[3] > 0).length")
    same("folder: filters by emotion", run(ROWS + ".length"), wanted)
    share = run("document.querySelectorAll('.lazy .name')[3].textContent")
    same("folder: the share is that emotion's", share, "Share of anger")
    run("document.getElementById('name').value = ''; document.getElementById('name').dispatchEvent(new Event('input'))")
    run("{ const s = document.getElementById('label'); s.value = 'failed'; s.dispatchEvent(new Event('change')); }")
    same("folder: what failed", run(CELL % 0), ["broken.wav"])
    run("document.querySelector('.lazy tbody a').focus()")
    key("Enter")
    browser.wait("document.querySelector('.detail') !== null")
    same("folder: opens by keyboard, the heading has the focus", run("document.activeElement.textContent"), "broken.wav")
    same("folder: says why", run("document.querySelector('.detail .error').textContent.includes('12 bytes')"), True)
    run("history.back()")
    browser.wait("document.querySelector('.overview') !== null")
    same("folder: back, as it was", run(CELL % 0), ["broken.wav"])
    quiet("folder")


def call_page(kind):
    browser.open(f"file://{folder}/{kind}.html")
    same(f"{kind}: a row a segment", run(ROWS + ".length"), 21)
    same(f"{kind}: two channels are drawn", run("document.querySelectorAll('.wave').length"), 2)
    same(f"{kind}: labels on the timeline", run("document.querySelectorAll('.segment').length"), 21)
    browser.wait("document.querySelector('audio').readyState > 0")
    same(f"{kind}: the audio is there", run("Math.round(document.querySelector('audio').duration)"),
         run("Math.round(recordings[0].seconds)"))
    run("document.querySelector('[role=slider]').focus()")
    at = "Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow'))"
    starts = run("JSON.parse(details[0].textContent).rows.map(r => r[1]).sort((a, b) => a - b)")
    found = []
    for name in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Home"):
        key(name)
        found.append(run(at))
    same(f"{kind}: arrows go from segment to segment", [abs(a - b) < .11 for a, b in
         zip(found, [starts[0], starts[1], starts[2], starts[1], 0])], [True] * 5)
    key("ArrowRight")
    words = run("document.querySelector('[role=slider]').getAttribute('aria-valuetext')")
    same(f"{kind}: the position in words", words.startswith("0:00.5 of 0:40. Channel 0 neutral"), True)
    same(f"{kind}: its row is marked", run("document.querySelectorAll('tr[aria-current]').length"), 1)
    key(" ")
    browser.wait("document.querySelector('audio').currentTime > 0.7")
    key(" ")
    same(f"{kind}: Space plays and pauses", run("document.querySelector('audio').paused"), True)
    run("document.querySelectorAll('.play')[2].click()")
    browser.wait("document.querySelector('audio').currentTime >= 4 && !document.querySelector('audio').paused")
    key("+")
    wide = run("document.querySelector('.spacer').clientWidth"), run("document.querySelector('.scroll').clientWidth")
    same(f"{kind}: zooms to twice the width", wide[0], 2 * wide[1])
    quiet(kind)


def other_pages():
    browser.open(f"file://{folder}/values.html", 390, 800, True)
    same("values: a line each", run("document.querySelectorAll('.picture .value').length"), 3)
    same("values: no label", run("document.querySelectorAll('.segment').length"), 0)
    quiet("values")
    for kind in ("call", "values", "clip", "folder"):
        browser.open(f"file://{folder}/{kind}.html", 390, 800)
        same(f"{kind}: no wider than a phone", run("document.documentElement.scrollWidth"), 390)
    browser.open(f"file://{folder}/clip.html")
    same("clip: one segment", run(ROWS + ".length"), 1)
    quiet("clip")
    browser.open(f"file://{folder}/hostile.html")
    same("hostile: names are text", run(CELL % 0)[0:4], ["</script><script>document.title='broken'</script>",
                                                        "<!--<script>", "\"'><img src=x>", "\ufffd\ufffd\ufffd.wav"])
    same("hostile: nothing of them ran", run("document.title"), "Emotions in 7 recordings · </title><b>")
    run("location.hash = '#1'")
    browser.wait("document.querySelector('.detail') !== null")
    same("hostile: their texts", run("document.querySelector('.said').textContent === recordings[0].name"), True)
    same("hostile: no element of theirs", run("document.querySelectorAll('main img, main script, main b b').length"), 0)
    others = [url for url in browser.requests if not url.startswith(("file:", "data:", "about:"))]
    same("hostile: nothing asked of others", others, [])


folder_page()
call_page("call")
call_page("embedded")
other_pages()
browser.close()
print("end")
