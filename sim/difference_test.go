package sim

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/risim/risim/sim/cluster"
)

// other gives v a value that it has not.
func other(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *cluster.Uint:
		*x = cluster.Some(7)
		return
	case *netip.Addr:
		*x = netip.MustParseAddr("10.1.2.3")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("other")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		if e := v.Index(0); e.Kind() == reflect.Struct {
			other(t, e.Field(0))
		} else {
			other(t, e)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
		t.Fatalf("what another %s is nobody has said here", v.Type())
	}
}

// No field of a device or of a record is forgotten, but for what nobody writes.
func TestDifference_SeesEveryField(t *testing.T) {
	t.Parallel()
	for i := range reflect.TypeFor[cluster.Device]().NumField() {
		f := reflect.TypeFor[cluster.Device]().Field(i)
		if !f.IsExported() {
			continue
		}
		var was, is, to cluster.Device
		other(t, reflect.ValueOf(&is).Elem().Field(i))
		require.NotEmpty(t, carryDevice(&to, &was, &is), f.Name)
		require.Equal(t, is, to, f.Name)
	}
	for i := range reflect.TypeFor[cluster.Record]().NumField() {
		f := reflect.TypeFor[cluster.Record]().Field(i)
		if f.Name == "TimeStamp" || f.Name == "StateID" || !f.IsExported() {
			continue
		}
		was, is := &cluster.Registration{Node: "n"}, &cluster.Registration{Node: "n"}
		other(t, reflect.ValueOf(&is.Record).Elem().Field(i))
		e := deviceEdit{
			&deviceAsWritten{&cluster.Device{Name: "d"}, []*cluster.Registration{was}},
			&deviceAsWritten{&cluster.Device{Name: "d"}, []*cluster.Registration{is}},
		}
		require.NotEmpty(t, e.edits(), f.Name)
	}
}
