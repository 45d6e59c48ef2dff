package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Grafana's grid has 24 columns. Sizes are pixels.
const (
	columnWidth, rowHeight = 58.0, 32.0
	gap, headHeight        = 6.0, 46.0
)

// drawing builds an SVG.
type drawing struct{ bytes.Buffer }

func newDrawing(board dashboard) *drawing {
	height := 0.0
	for _, p := range board.Panels {
		height = max(height, p.GridPos.Y+p.GridPos.H)
	}
	d := &drawing{}
	d.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="Helvetica, Arial, sans-serif" font-size="12">`,
		24*columnWidth+gap, height*rowHeight+headHeight+gap)
	d.write(`<rect width="100%%" height="100%%" fill="#f4f5f5"/>`)
	d.text(12, 29, "start", `font-size="18" font-weight="bold" fill="#24292e"`, board.Title)
	return d
}

func (d *drawing) write(format string, values ...any) {
	_, _ = fmt.Fprintf(d, format+"\n", values...) // a buffer returns no error
}

func (d *drawing) svg() []byte { return append(slices.Clone(d.Bytes()), "</svg>\n"...) }

func (d *drawing) text(x, y float64, anchor, attributes, text string) {
	d.write(`<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>`, x, y, anchor, attributes, html.EscapeString(text))
}

// box is a rectangle on the drawing.
type box struct{ x, y, w, h float64 }

func (d *drawing) panel(p panel, all []series, source prometheus) {
	b := box{p.GridPos.X*columnWidth + gap, p.GridPos.Y*rowHeight + headHeight, p.GridPos.W*columnWidth - gap, p.GridPos.H*rowHeight - gap}
	if p.Type == "row" {
		d.text(b.x+6, b.y+19, "start", `font-size="14" font-weight="bold" fill="#464c54"`, "⌄ "+p.Title)
		return
	}
	d.write(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3" fill="#fff" stroke="#dcdfe2"/>`, b.x, b.y, b.w, b.h)
	d.text(b.x+10, b.y+20, "start", `font-weight="bold" fill="#464c54"`, p.Title)
	inner := box{b.x + 12, b.y + 32, b.w - 24, b.h - 40}
	switch {
	case len(all) == 0:
		d.text(inner.x+inner.w/2, inner.y+inner.h/2, "middle", `fill="#8e9297" font-size="20"`, "–")
	case p.Type == "stat":
		d.stats(inner, p, all)
	case p.Type == "bargauge":
		d.bars(inner, p, all)
	default:
		d.graph(inner, p, all, source.span.Seconds())
	}
}

// stats draws numbers, one below the other.
func (d *drawing) stats(b box, p panel, all []series) {
	height := b.h / float64(len(all))
	for i, s := range all {
		y, value := b.y+height*float64(i), s.last()
		color, number := p.FieldConfig.Defaults.color(value), p.FieldConfig.Defaults.format(value)
		if len(all) == 1 {
			d.write(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3" fill="%s"/>`, b.x, y, b.w, height, color)
			d.text(b.x+b.w/2, y+height/2+11, "middle", `font-size="32" font-weight="bold" fill="#fff"`, number)
			continue
		}
		d.text(b.x+4, y+height/2+5, "start", `font-size="14" fill="#464c54"`, s.name)
		d.text(b.x+b.w-8, y+height/2+8, "end", fmt.Sprintf(`font-size="26" font-weight="bold" fill="%s"`, color), number)
	}
}

// bars draws horizontal bars, relative to the largest value.
func (d *drawing) bars(b box, p panel, all []series) {
	height, largest := b.h/float64(len(all)), 0.0
	for _, s := range all {
		largest = max(largest, s.last())
	}
	for i, s := range all {
		y, value := b.y+height*float64(i), s.last()
		d.text(b.x+4, y+height/2+5, "start", `font-size="14" fill="#464c54"`, s.name)
		d.write(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" fill="%s"/>`, b.x+70, y+height*0.2,
			(b.w-130)*value/max(largest, 1), height*0.6, p.FieldConfig.Defaults.color(value))
		d.text(b.x+b.w-4, y+height/2+6, "end", `font-size="18" font-weight="bold" fill="#24292e"`, p.FieldConfig.Defaults.format(value))
	}
}

// format formats a number with its unit.
func (d defaults) format(value float64) string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', d.decimals(value), 64) }
	switch {
	case d.Unit == "percentunit":
		return number(100*value) + "%"
	case d.Unit == "s" && value > 0 && value < 1:
		return strconv.FormatFloat(1000*value, 'f', 0, 64) + " ms"
	case d.Unit == "s" && value >= 120:
		return strconv.FormatFloat(value/60, 'f', 1, 64) + " min"
	case d.Unit == "s":
		return number(value) + " s"
	case d.Unit == "reqps":
		return number(value) + " /s"
	default:
		return number(value)
	}
}

func (d defaults) decimals(value float64) int {
	switch {
	case d.Decimals != nil:
		return *d.Decimals
	case value >= 10 || value == math.Trunc(value):
		return 0
	default:
		return 2
	}
}

// path returns the SVG path through points.
func path(xs, ys []float64) string {
	steps := make([]string, len(xs))
	for i := range xs {
		steps[i] = fmt.Sprintf("%.1f %.1f", xs[i], ys[i])
	}
	return "M" + strings.Join(steps, "L")
}
