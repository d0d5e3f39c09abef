/** The style of the page, but for its drawings. */
export const STYLESHEET = `
*{box-sizing:border-box}
:root{color-scheme:light dark}
html{background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;-webkit-text-size-adjust:100%}
body{margin:0}
main,footer{max-width:1208px;margin:0 auto;padding:0 24px}
header{padding:40px 0 8px}
h1{font-size:1.75rem;line-height:1.2;letter-spacing:-.015em;margin:0;text-wrap:balance}
h2{font-size:1.0625rem;line-height:1.35;margin:0 0 10px;text-wrap:balance}
p{margin:0 0 .7em;max-width:46em;overflow-wrap:anywhere}
.summary{font-size:1.125rem;padding:8px 0 4px}
.summary h2{font-size:1.25rem}
.text{padding-top:28px}
.block{margin:36px 0 0;min-width:0}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));column-gap:40px}
.charts .full{grid-column:1/-1}
svg{display:block;width:100%;height:auto;overflow:visible}
.full .wide{max-width:1000px}
.narrow{display:none}
.incident{fill:var(--bad);fill-opacity:.22}
.stem{stroke:var(--bad);stroke-opacity:.5}
svg text.incident-name{fill:var(--bad)}
.mark{stroke:var(--ink);stroke-width:1.5}
.phase{fill-opacity:.7}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:8px 0 0;padding:0;font-size:.8125rem;font-weight:600}
.key{display:inline-block;width:18px;border-top:3px solid currentColor;vertical-align:middle;margin-right:6px}
.key.dashed{border-top:2px dashed currentColor}
.notes{color:var(--muted);font-size:.8125rem;line-height:1.5;margin:10px 0 0;padding:0;list-style:none;max-width:66em;overflow-wrap:anywhere}
.notes li+li{margin-top:2px}
details{margin-top:8px;font-size:.8125rem}
summary{color:var(--muted);cursor:pointer;width:max-content}
details .scroll{margin-top:8px;max-height:360px}
.scroll{overflow-x:auto}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
table{border-collapse:collapse;font-size:.8125rem;font-variant-numeric:tabular-nums;line-height:1.35}
th,td{padding:5px 8px;white-space:nowrap;text-align:right;border-bottom:1px solid var(--grid);vertical-align:baseline}
thead th{color:var(--muted);font-weight:600;white-space:normal;vertical-align:bottom;border-bottom:1px solid var(--muted)}
th:first-child{padding-left:0;position:sticky;left:0;background:var(--page)}
tbody th{font-weight:500}
.next>*{border-top:2px solid var(--grid)}
.left{text-align:left}
.good{color:var(--good);font-weight:600}
.bad{color:var(--bad);font-weight:600}
td.bad{white-space:normal;min-width:10em}
.unsure{color:var(--unsure);font-weight:600}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--panel);padding:.15em .4em;border-radius:4px;overflow-wrap:anywhere}
footer{margin-top:56px;padding-top:20px;padding-bottom:40px;font-size:.8125rem;color:var(--muted)}
footer code{color:var(--ink)}
dl{display:flex;flex-wrap:wrap;gap:6px 28px;margin:12px 0 0}
dt{font-size:.75rem}
dd{margin:0;color:var(--ink);overflow-wrap:anywhere}
@media (max-width:1099px){.charts{display:block}.charts .wide{max-width:640px}.charts .full .wide{max-width:none}}
@media screen and (max-width:719px){
main,footer{padding-left:16px;padding-right:16px}
header{padding-top:24px}
h1{font-size:1.375rem}
.summary{font-size:1rem}
.wide{display:none}
.narrow{display:block;max-width:520px}
}
@media print{
html{font-size:12px}
.charts{display:block}
.charts .wide{max-width:560px}
.block{break-inside:avoid;margin-top:24px}
.scroll{overflow:visible}
table{font-size:8px}
th,td{padding:2px 4px}
td.left{white-space:normal}
details{display:none}
}
`
