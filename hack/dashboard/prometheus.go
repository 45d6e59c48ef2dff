package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// points is the number of points of a line.
const points = 200

// prometheus runs the dashboard's queries for the time from end-span to end.
type prometheus struct {
	url  string
	end  time.Time
	span time.Duration
}

// series is one line, or one number, with its name in the legend. Times are seconds since the start of the span.
type series struct {
	name          string
	times, values []float64
}

func (s series) last() float64 { return s.values[len(s.values)-1] }

// series runs all queries of a panel. It returns lines for a graph, and the last values for any other panel.
func (p prometheus) series(ctx context.Context, panel panel) ([]series, error) {
	var all []series
	for _, t := range panel.Targets {
		query := strings.NewReplacer(
			"$namespace", ".*", "$__rate_interval", "1m", "$__range", strconv.Itoa(int(p.span.Seconds()))+"s",
		).Replace(t.Expr)
		results, err := p.query(ctx, query, panel.Type == "timeseries")
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			if s := r.series(t.LegendFormat, p.end.Add(-p.span)); len(s.values) > 0 {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// result is one series of Prometheus' HTTP API. An instant query sets Value, a range query Values.
type result struct {
	Metric map[string]string
	Value  []any
	Values [][]any
}

func (p prometheus) query(ctx context.Context, query string, lines bool) ([]result, error) {
	parameters := url.Values{"query": {query}, "time": {stamp(p.end)}}
	path := "/api/v1/query?"
	if lines {
		path = "/api/v1/query_range?"
		parameters = url.Values{
			"query": {query}, "start": {stamp(p.end.Add(-p.span))}, "end": {stamp(p.end)},
			"step": {strconv.FormatFloat(p.span.Seconds()/points, 'f', 3, 64)},
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path+parameters.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("querying Prometheus: %w", err)
	}
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("querying Prometheus: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var body struct {
		Error string
		Data  struct{ Result []result }
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("reading the response of Prometheus: %w", err)
	}
	if body.Error != "" {
		return nil, fmt.Errorf("%s: %s", query, body.Error)
	}
	return body.Data.Result, nil
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// series converts a result. It leaves out NaN and infinite values.
func (r result) series(legend string, begin time.Time) series {
	s := series{name: legend}
	for label, value := range r.Metric {
		s.name = strings.ReplaceAll(s.name, "{{"+label+"}}", value)
	}
	samples := r.Values
	if r.Value != nil {
		samples = [][]any{r.Value}
	}
	for _, sample := range samples {
		at, _ := sample[0].(float64)
		text, _ := sample[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
			continue
		}
		s.times = append(s.times, at-float64(begin.Unix()))
		s.values = append(s.values, value)
	}
	return s
}
