"""The page's look: no web font, no image, nothing from elsewhere."""

from __future__ import annotations

from fakeforensics.inference.limits import Limits

_CSS = """
:root { --ff-ink: #1b2430; --ff-soft: #5b6675; --ff-line: #dfe4ea; --ff-card: #ffffff; --ff-ground: #f5f7f9;
  --ff-real: #1e7854; --ff-fake: #c4302b; --ff-warn: #8a5a00; --ff-warn-ground: #fff6e0; }
.dark { --ff-ink: #e8edf3; --ff-soft: #a3afbd; --ff-line: #38424f; --ff-card: #1c232c; --ff-ground: #12171d;
  --ff-real: #53c394; --ff-fake: #ff7a70; --ff-warn: #f0c674; --ff-warn-ground: #332a14; }
html, body, gradio-app, .gradio-container { background: var(--ff-ground) !important; }
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; background: var(--ff-ground); }
footer { display: none !important; }
.html-container { padding: 0 !important; }
.ff { color: var(--ff-ink); font-size: 15px; line-height: 1.5; }
.ff h1 { font-size: 26px; font-weight: 650; margin: 12px 0 2px; letter-spacing: -0.01em;
  color: var(--ff-ink); }
.ff h2 { font-size: 16px; font-weight: 650; margin: 22px 0 8px; color: var(--ff-ink); }
.ff p { margin: 4px 0; }
.ff .soft { color: var(--ff-soft); }
.ff .card { background: var(--ff-card); border: 1px solid var(--ff-line); border-radius: 12px;
  padding: 18px 20px; }
.ff .warn { background: var(--ff-warn-ground); color: var(--ff-warn); border-radius: 10px; padding: 10px 14px;
  margin: 10px 0; }
.ff .verdict { font-size: 30px; font-weight: 700; letter-spacing: -0.01em; }
.ff .fake { color: var(--ff-fake); } .ff .real { color: var(--ff-real); } .ff .none { color: var(--ff-soft); }
.ff .pill { display: inline-block; padding: 1px 10px; border-radius: 999px; border: 1px solid currentColor;
  font-weight: 600; font-size: 13px; }
.ff svg { width: 100%; height: auto; display: block; }
.ff svg text { fill: var(--ff-soft); font-size: 12px; font-family: inherit; }
.ff .views { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 10px; }
.ff .views img { width: 100%; max-height: 460px; object-fit: contain; border-radius: 8px; }
.ff .faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 12px; }
.ff .face { border: 1px solid var(--ff-line); border-radius: 10px; overflow: hidden;
  background: var(--ff-card); }
.ff .face img { width: 100%; display: block; }
.ff .face div { padding: 8px 12px; display: flex; gap: 10px; align-items: baseline;
  justify-content: space-between; font-size: 14px;
  font-variant-numeric: tabular-nums; }
.ff ul { margin: 4px 0 4px 18px; list-style: disc; }
#upload .download { display: none; }
.ff-card h1 { font-size: 19px !important; } .ff-card h2 { font-size: 16px !important; }
.ff-card table { font-variant-numeric: tabular-nums; }
"""


def page_css(limits: Limits) -> str:
    """The style sheet, which also words what gradio shows of an upload that it refuses as "Error"."""
    return (
        f"{_CSS}#upload .error {{ font-size: 0; }}\n"
        f'#upload .error::after {{ content: "Not uploaded. A file may have {limits.max_mb} MB at most."; '
        "font-size: 15px; }\n"
    )
