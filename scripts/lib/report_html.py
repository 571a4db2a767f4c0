"""The page of `ztier report`: one file, without script, font or picture of elsewhere."""

from html import escape

STYLE = '''
:root {
	color-scheme: light dark;
	--font: "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", sans-serif;
	--paper: #ffffff; --sheet: #f4f6f8; --text: #1b2430; --faint: #59636f; --line: #dde2e8;
	--link: #0b5cad;
	/* 3:1 on the paper, and apart to eyes that lack a kind of cones */
	--plain: #7d8a97; --software: #0a5cad; --direct: #d67900; --outline: #1b2430;
	--one: #0a5cad; --two: #d67900; --three: #1f9d7a; --four: #8e3a78;
	--base: #7d8996; --series: #c44e00;
	--less: #0a5cad; --more: #c44e00; --same: #6d7883;
}
@media (prefers-color-scheme: dark) {
	:root {
		--paper: #14181d; --sheet: #1d232a; --text: #e8ecf0; --faint: #a3adb8; --line: #323a44;
		--link: #7db8f0;
		--plain: #76828e; --software: #3d94e0; --direct: #f5b04c; --outline: #e8ecf0;
		--one: #3d94e0; --two: #f5b04c; --three: #7fe0c0; --four: #d070b4;
		--base: #8d99a6; --series: #f5884a;
		--less: #3d94e0; --more: #f5884a; --same: #9aa5b0;
	}
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--text); font: 16px/1.5 var(--font); }
header, main, footer { max-width: 1104px; margin: 0 auto; padding: 0 32px; }
header { padding-top: 40px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 23px; line-height: 1.25; margin: 64px 0 4px; padding-top: 20px;
	border-top: 3px solid var(--text); }
h3 { font-size: 18px; line-height: 1.3; margin: 36px 0 4px; }
p { margin: 0 0 8px; max-width: 74ch; overflow-wrap: break-word; }
a { color: var(--link); }
.lead { color: var(--faint); max-width: 74ch; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 1px;
	margin: 24px 1px; }
dl div { outline: 1px solid var(--line); padding: 10px 14px; }
dt { font-size: 13px; color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
nav ul { margin: 0; padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: 4px 22px; }
figure { margin: 0 0 28px; }
figcaption { margin-top: 10px; }
.how { font-size: 14px; color: var(--faint); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 14px 0 12px; padding: 0;
	list-style: none; font-size: 14px; }
.legend li { display: flex; align-items: center; gap: 7px; }
.key { width: 16px; height: 12px; flex: none; }
.key.outline { height: 0; border-top: 2px dashed var(--outline); background: none !important; }
.key.ring { width: 10px; height: 10px; border: 1.5px solid var(--text); transform: rotate(45deg); }
ol.steps { margin: 6px 0 8px; padding: 0; list-style: none; display: flex; flex-wrap: wrap;
	gap: 2px 20px; font-size: 14px; counter-reset: step; }
ol.steps li { counter-increment: step; }
ol.steps li::before { content: counter(step) " "; font-weight: bold; }
svg { display: block; width: 100%; height: auto; }
.narrow { display: none; max-width: 560px; }
details { margin: 8px 0 0; }
summary { cursor: pointer; color: var(--link); font-size: 14px; padding: 6px 0; width: fit-content; }
summary:focus-visible, a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link);
	outline-offset: 2px; }
.folded { border-top: 1px solid var(--line); margin: 0; }
.folded > summary { padding: 10px 0; font-size: 15px; }
.scroll { overflow: auto; max-height: 460px; border: 1px solid var(--line); margin: 4px 0 12px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums;
	min-width: 100%; }
caption { text-align: left; padding: 8px 10px 4px; font-weight: bold; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap;
	border-bottom: 1px solid var(--line); }
thead th { position: sticky; top: 0; background: var(--sheet); }
th:first-child, td:first-child, td.word, th.word { text-align: left; }
.missing { background: var(--sheet); border-left: 4px solid var(--direct); padding: 12px 16px;
	margin: 12px 0 28px; }
.missing p:last-child { margin: 0; }
code { font: 13.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
footer { padding-top: 24px; padding-bottom: 56px; color: var(--faint); font-size: 14px; }
@media (max-width: 860px) {
	.wide { display: none; }
	.narrow { display: block; }
	header, main, footer { padding-left: 18px; padding-right: 18px; }
	header { padding-top: 24px; }
	h1 { font-size: 25px; }
	h2 { margin-top: 44px; }
	dl { grid-template-columns: 1fr 1fr; }
}
@media print { details { display: none; } }
'''


def text(words):
    return escape(str(words), quote=False)


def with_title(svg, name, picture):
    """The SVG, with what a screen reader says of it."""
    head, rest = svg.split('>', 1)
    return (f'{head}><title id="{name}-title">{text(picture["title"])}</title>'
            f'<desc id="{name}-desc">{text(picture["see"])} The figures are in the table below.'
            f'</desc>{rest}')


def is_word(cell):
    return not cell or not (cell[0].isdigit() or cell[0] in '–-')


def table(each):
    words = [all(is_word(row[column]) for row in each['rows']) if each['rows'] else False
             for column in range(len(each['head']))]

    def cells(row, tag, scope=''):
        return ''.join(f'<{tag}{scope}{" class=word" if word else ""}>{text(cell)}</{tag}>'
                       for cell, word in zip(row, words))
    rows = '\n'.join(f'<tr>{cells(row, "td")}</tr>' for row in each['rows'])
    head = cells(each['head'], 'th', ' scope=col')
    return (f'<div class=scroll tabindex=0 role=region aria-label="{escape(each["title"])}"><table>'
            f'<caption>{text(each["title"])}</caption>\n'
            f'<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>')


def missing(picture):
    said = picture['missing']
    commands = ' or '.join(f'<code>{text(command)}</code>' for command in said['commands'])
    return (f'<h3 id="{picture["id"]}">{text(picture["title"])}</h3>\n<div class=missing>'
            f'<p>Not here: {text(said["why"])}.</p><p>To have it: {commands}</p></div>')


def folded(picture, drawn):
    """A figure, behind a line that one opens."""
    return (f'<details class=folded><summary>{text(picture["title"])}. {text(picture["see"])}</summary>'
            f'{figure(picture, drawn)}</details>')


def figure(picture, drawn):
    name = picture['id']
    legend = ''.join(
        f'<li><span class="key{" outline" if colour == "outline" else ""}" '
        f'style="background:var(--{colour})"></span>{text(words)}</li>'
        for colour, words in picture['legend'])
    if picture['plot']['kind'] == 'ratios':
        legend += '<li><span class="key ring"></span>all CPUs, until all memory is back</li>'
    steps = ''.join(f'<li>{text(step)}</li>' for step in picture.get('steps', ()))
    notes = ''.join(f'<p class=how>{text(note)}</p>' for note in picture.get('notes') or ())
    return '\n'.join((
        f'<figure id="{name}">', f'<h3>{text(picture["title"])}</h3>',
        f'<p>{text(picture["see"])}</p>', f'<ul class=legend>{legend}</ul>',
        *(f'<div class={kind}>{with_title(svg, f"{name}-{kind}", picture)}</div>'
          for kind, svg in zip(('wide', 'narrow'), drawn)),
        f'<ol class=steps>{steps}</ol>' if steps else '',
        '<figcaption>', f'<p class=how>{text(picture["how"])}</p>', notes,
        f'<details><summary>The figures as a table</summary>'
        f'{"".join(map(table, picture["tables"]))}</details>', '</figcaption>', '</figure>'))


def page(title, lead, facts, sections, drawn):
    """SECTIONS: [(id, title, words, [picture])]; DRAWN: [wide, narrow] of each picture's id."""
    body = []
    for name, heading, words, pictures in sections:
        body.append(f'<section id="{name}"><h2>{text(heading)}</h2>')
        body += [f'<p class=lead>{text(words)}</p>'] if words else []
        for picture in pictures:
            if 'missing' in picture:
                body.append(missing(picture))
            else:
                show = folded if picture.get('folded') else figure
                body.append(show(picture, drawn[picture['id']]))
        body.append('</section>')
    links = ''.join(f'<li><a href="#{name}">{text(heading)}</a></li>'
                    for name, heading, _, _ in sections)
    known = ''.join(f'<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>'
                    for name, value in facts)
    return '\n'.join((
        '<!DOCTYPE html>', '<html lang=en>', '<head>', '<meta charset=utf-8>',
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        '<meta name=color-scheme content="light dark">',
        # or a browser asks for /favicon.ico
        '<link rel=icon href="data:,">',
        f'<title>{text(title)}</title>', f'<style>{STYLE}</style>', '</head>', '<body>',
        f'<header><h1>{text(title)}</h1><p class=lead>{text(lead)}</p><dl>{known}</dl>',
        f'<nav aria-label="Contents"><ul>{links}</ul></nav></header>', '<main>', *body, '</main>',
        '<footer><p>Made by scripts/ztier report.</p></footer>', '</body>', '</html>', ''))
