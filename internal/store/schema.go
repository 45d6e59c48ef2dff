package store

import (
	"reflect"
	"slices"

	"github.com/fitai/fituser-operator/internal/user"
)

// ownedColumns returns the names of all columns that the store reads or writes: the key, the mapped columns, and the times.
func (t *tableSchema) ownedColumns() []string {
	return append(append([]string{t.mapping.Key.Column}, t.mappedColumns()...), t.ownTimes()...)
}

func (t *tableSchema) mappedColumns() []string {
	var names []string
	for _, c := range t.mapping.Columns {
		names = append(names, c.Name)
	}
	return names
}

// ownTimes returns the columns of the times that the operator sets by itself.
func (t *tableSchema) ownTimes() []string {
	names := slices.DeleteFunc([]string{t.mapping.CreatedAt, t.mapping.UpdatedAt}, func(name string) bool { return name == "" })
	if t.mapping.SoftDelete != nil {
		names = append(names, t.mapping.SoftDelete.Column)
	}
	return names
}

// updatedColumns returns the columns that an update of a row writes.
func (t *tableSchema) updatedColumns() []string {
	written := t.ownedColumns()[1:]
	return slices.DeleteFunc(written, func(name string) bool { return name == t.mapping.CreatedAt })
}

// timeColumns returns the columns that hold a time.
func (t *tableSchema) timeColumns() []string {
	names := t.ownTimes()
	for _, c := range t.mapping.Columns {
		if useOf(c.From) == useTime {
			names = append(names, c.Name)
		}
	}
	return names
}

// column returns the column of a name as the mapping spells it; the zero value when the table has no such column.
func (t *tableSchema) column(name string) column { return t.columns[t.dialect.fold(name)] }

func (t *tableSchema) same(a, b string) bool { return t.dialect.fold(a) == t.dialect.fold(b) }

// name returns the table's name as people write it.
func (t *tableSchema) name() string {
	if t.mapping.Schema == "" {
		return t.mapping.Table
	}
	return t.mapping.Schema + "." + t.mapping.Table
}

func (t *tableSchema) quotedName() string { return t.dialect.quotedName(t.mapping) }

// quotedName returns the name of the mapped table as an identifier.
func (d *dialect) quotedName(m *user.Mapping) string {
	if m.Schema == "" {
		return d.quote(m.Table)
	}
	return d.quote(m.Schema) + "." + d.quote(m.Table)
}

// primaryName returns the name of the primary key's column as the table spells it.
func (t *tableSchema) primaryName() string { return t.columns[t.primaryKey].name }

// castType is the type to which a text is cast for a comparison with a column.
func (t *tableSchema) castType(name string) string { return t.column(name).sqlType }

// isDefault reports whether the mapping is the one that [Options.CreateTable] creates.
func (t *tableSchema) isDefault() bool {
	return reflect.DeepEqual(t.mapping, user.DefaultMapping())
}

// emailRequired reports whether a row needs an address.
func (t *tableSchema) emailRequired() bool {
	return t.mapping.Has(user.FieldEmail) && !t.column(t.mapping.NameOf(user.FieldEmail)).nullable
}

// keyUse is the use of the key column.
func (t *tableSchema) keyUse() use {
	if t.mapping.Key.Holds == user.HoldsExternalID {
		return useOwnKey
	}
	return useKey
}

func (t *tableSchema) keyCodec() codec {
	return t.dialect.codecs[t.keyUse()][t.column(t.mapping.Key.Column).kind]
}

// columnCodecs returns how the mapped columns are read and written.
func (t *tableSchema) columnCodecs() []columnCodec {
	var list []columnCodec
	for _, c := range t.mapping.Columns {
		made := columnCodec{Column: c, emptyIsNull: t.emptyIsNull(c)}
		if use := useOf(c.From); use == useTime {
			made.codec = t.clockOf(c.Name)
		} else {
			made.codec = t.dialect.codecs[use][t.column(c.Name).kind]
		}
		list = append(list, made)
	}
	return list
}

// emptyIsNull reports whether a column holds SQL NULL in place of an empty text. A missing name is an empty text.
func (t *tableSchema) emptyIsNull(c user.Column) bool {
	switch c.From {
	case user.FieldFirstName, user.FieldLastName, user.FieldRole:
		return false
	case user.FieldPhone:
		return true
	default:
		return t.column(c.Name).nullable
	}
}
