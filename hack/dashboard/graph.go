package main

import (
	"fmt"
	"math"
	"slices"
)

// palette returns the color of the i-th line of a graph.
func palette(i int) string {
	colors := []string{"#3274d9", "#56a64b", "#e0752d", "#a352cc", "#d44a3a", "#e0b400", "#1f9e9e", "#8f3bb8", "#705da0", "#64748b"}
	return colors[i%len(colors)]
}

// graph draws lines over time, stacked if the panel asks for it.
func (d *drawing) graph(b box, p panel, all []series, seconds float64) {
	legend := d.legend(b, all)
	plot := box{b.x + 46, b.y, b.w - 54, b.h - 20 - legend}
	if p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal" {
		all = stacked(all)
	}
	top := 0.0
	for _, s := range all {
		for _, value := range s.values {
			top = max(top, value)
		}
	}
	top = roundUp(top)
	d.axes(plot, p.FieldConfig.Defaults, top, seconds)
	for i, s := range slices.Backward(all) { // draws the highest of a stack first, behind the others
		xs, ys := make([]float64, len(s.times)), make([]float64, len(s.times))
		for j := range s.times {
			xs[j] = plot.x + plot.w*min(max(s.times[j]/seconds, 0), 1)
			ys[j] = plot.y + plot.h*(1-s.values[j]/top)
		}
		if p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal" {
			d.write(`<path d="%sL%.1f %.1fL%.1f %.1fZ" fill="%s" fill-opacity="0.35"/>`,
				path(xs, ys), xs[len(xs)-1], plot.y+plot.h, xs[0], plot.y+plot.h, palette(i))
		}
		d.write(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, path(xs, ys), palette(i))
	}
}

// stacked adds to each value the values of the lines below it at the same time.
func stacked(all []series) []series {
	below := map[float64]float64{}
	result := make([]series, len(all))
	for i, s := range all {
		result[i] = series{name: s.name, times: s.times, values: make([]float64, len(s.values))}
		for j, at := range s.times {
			at = math.Round(at * 10)
			below[at] += s.values[j]
			result[i].values[j] = below[at]
		}
	}
	return result
}

func (d *drawing) axes(b box, unit defaults, top, seconds float64) {
	for i := range 4 {
		share := float64(i) / 3
		y := b.y + b.h*(1-share)
		d.write(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#e8eaec"/>`, b.x, b.x+b.w, y, y)
		d.text(b.x-6, y+4, "end", `font-size="10" fill="#6e7277"`, unit.format(top*share))
		x := b.x + b.w*share
		when := fmt.Sprintf("%.0f min ago", (1-share)*seconds/60)
		if share == 1 {
			when = "now"
		}
		d.text(x, b.y+b.h+14, "middle", `font-size="10" fill="#6e7277"`, when)
	}
}

// legend draws the names of the lines at the bottom of the box, and returns its height.
func (d *drawing) legend(b box, all []series) (height float64) {
	const line, character = 15.0, 6.3
	rows, x := 1, 0.0
	type position struct{ x, row float64 }
	positions := make([]position, len(all))
	for i, s := range all {
		width := 24 + character*float64(len(s.name))
		if x > 0 && x+width > b.w {
			rows, x = rows+1, 0
		}
		positions[i] = position{x, float64(rows - 1)}
		x += width
	}
	height = line * float64(rows)
	for i, s := range all {
		px, py := b.x+positions[i].x, b.y+b.h-height+line*(positions[i].row+1)
		d.write(`<rect x="%.1f" y="%.1f" width="12" height="3" fill="%s"/>`, px, py-6, palette(i))
		d.text(px+16, py-1, "start", `font-size="11" fill="#464c54"`, s.name)
	}
	return height
}

// roundUp returns the next of 3, 6, 15, 30, 60, …, so that the three grid lines are at round numbers.
func roundUp(value float64) float64 {
	if value <= 0 {
		return 3
	}
	power := math.Pow(10, math.Floor(math.Log10(value/1.5)))
	for _, step := range []float64{1.5, 3, 6, 15} {
		if value <= step*power {
			return step * power
		}
	}
	return value
}
