package budget

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxDeletions is a number of users, or a share of all: "50" or "10%".
type MaxDeletions struct {
	number int
	share  float64
}

// ParseMaxDeletions reads a number or a share. Empty is the default: ten, or a tenth of all users if that is more.
func ParseMaxDeletions(s string) (MaxDeletions, error) {
	if s == "" {
		return MaxDeletions{number: 10, share: 0.1}, nil
	}
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		value, err := strconv.ParseFloat(percent, 64)
		if err != nil || value < 0 || value > 100 || math.IsNaN(value) {
			return MaxDeletions{}, fmt.Errorf("%q is not a share: want 0%% to 100%%", s)
		}
		return MaxDeletions{share: value / 100}, nil
	}
	number, err := strconv.Atoi(s)
	if err != nil || number < 0 {
		return MaxDeletions{}, fmt.Errorf("%q is neither a number nor a share: want such as 50 or 10%%", s)
	}
	return MaxDeletions{number: number}, nil
}

// of is the limit where there are so many users.
func (m MaxDeletions) of(users int) int { return max(m.number, int(m.share*float64(users))) }
