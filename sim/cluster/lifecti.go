package cluster

import (
	"fmt"
	"slices"
)

// The life of a CTI application (rule V6). Connections are named by their ID, or by the application's name for all
// its connections; an empty Node means any node.

// CloseApplication ends connections: the provider, and every device and line that it had open, are Closed with the
// reason, now. What failed to open stays OpenFailed.
type CloseApplication struct {
	Node   NodeName
	Name   string
	Reason uint32
}

func (c CloseApplication) apply(t *tx) error {
	return t.eachApplication(c.Node, c.Name, func(a *Application) error {
		a.Status, a.Reason, a.TimeStamp = Closed, c.Reason, t.now
		for i := range a.Devices {
			d := &a.Devices[i]
			if d.Status == Open {
				d.Status, d.Reason, d.TimeStamp = Closed, c.Reason, t.now
			}
			for k := range d.Lines {
				if l := &d.Lines[k]; l.Status == Open {
					l.Status, l.Reason, l.TimeStamp = Closed, c.Reason, t.now
				}
			}
		}
		return nil
	})
}

// FailApplication makes connections OpenFailed with a reason: the provider could not be opened, and it has nothing open.
type FailApplication struct {
	Node   NodeName
	Name   string
	Reason uint32
}

func (c FailApplication) apply(t *tx) error {
	if err := (CloseApplication(c)).apply(t); err != nil {
		return err
	}
	return t.eachApplication(c.Node, c.Name, func(a *Application) error {
		a.Status = OpenFailed
		return nil
	})
}

// OpenApplication opens known connections again, with all the devices and lines that they had; SetApplication makes
// a new connection.
type OpenApplication struct {
	Node NodeName
	Name string
}

func (c OpenApplication) apply(t *tx) error {
	return t.eachApplication(c.Node, c.Name, func(a *Application) error {
		a.Status, a.Reason, a.TimeStamp = Open, 0, t.now
		for i := range a.Devices {
			open(&a.Devices[i], t.now)
		}
		return nil
	})
}

func open(d *CtiDevice, now int64) {
	d.Status, d.Reason, d.TimeStamp = Open, 0, now
	for k := range d.Lines {
		d.Lines[k].Status, d.Lines[k].Reason, d.Lines[k].TimeStamp = Open, 0, now
	}
}

// OpenDevices makes an application that is Open open devices, with all lines that they have.
type OpenDevices struct {
	Node          NodeName
	Name          string
	Devices       []DeviceName
	ControlsMedia bool
}

func (c OpenDevices) apply(t *tx) error {
	return t.eachApplication(c.Node, c.Name, func(a *Application) error {
		if a.Status != Open {
			return fmt.Errorf("application %q cannot open devices: it is %s", a.ID(), a.Status)
		}
		for _, name := range c.Devices {
			slot, err := t.slot(name)
			if err != nil {
				return fmt.Errorf("application %q: %w", a.ID(), err)
			}
			dev := t.s.deviceAt(slot)
			d := CtiDevice{Name: t.s.name(slot), ControlsMedia: c.ControlsMedia}
			list, _ := dev.numbers()
			for _, l := range list.as(AnyStatus) {
				d.Lines = append(d.Lines, CtiLine{Number: l.Number})
			}
			open(&d, t.now)
			if i := slices.IndexFunc(a.Devices, func(o CtiDevice) bool { return fold(string(o.Name)) == dev.key() }); i >= 0 {
				a.Devices[i] = d
			} else {
				a.Devices = append(a.Devices, d)
			}
		}
		return nil
	})
}

// CloseDevices makes an application close devices that it has, and their lines, with a reason.
type CloseDevices struct {
	Node    NodeName
	Name    string
	Devices []DeviceName // none means all
	Reason  uint32
}

func (c CloseDevices) apply(t *tx) error {
	return t.eachApplication(c.Node, c.Name, func(a *Application) error {
		want := map[string]bool{}
		for _, d := range c.Devices {
			want[fold(string(d))] = true
		}
		for i := range a.Devices {
			d := &a.Devices[i]
			key := fold(string(d.Name))
			if len(c.Devices) > 0 && !want[key] {
				continue
			}
			delete(want, key)
			d.Status, d.Reason, d.TimeStamp = Closed, c.Reason, t.now
			for k := range d.Lines {
				d.Lines[k].Status, d.Lines[k].Reason, d.Lines[k].TimeStamp = Closed, c.Reason, t.now
			}
		}
		for _, d := range c.Devices {
			if want[fold(string(d))] {
				return fmt.Errorf("application %q has not opened device %q", a.ID(), d)
			}
		}
		return nil
	})
}

// eachApplication edits a copy of every connection that is meant and puts it back.
func (t *tx) eachApplication(node NodeName, name string, edit func(*Application) error) error {
	only := -1
	if node != "" {
		n, err := t.node(node)
		if err != nil {
			return fmt.Errorf("application %q: %w", name, err)
		}
		only = n
	}
	var c complaints
	met := 0
	for i := range t.s.nodes {
		if only >= 0 && i != only {
			continue
		}
		for _, known := range t.s.nodes[i].apps {
			if known.ID() != name && known.Name != name {
				continue
			}
			met++
			a := *known
			a.Devices = slices.Clone(a.Devices)
			for k := range a.Devices {
				a.Devices[k].Lines = slices.Clone(a.Devices[k].Lines)
			}
			if err := edit(&a); err != nil {
				c.add("%w", err)
				continue
			}
			if err := t.putApplication(a); err != nil {
				c.add("%w", err)
			}
		}
	}
	if met == 0 {
		where := "any node"
		if only >= 0 {
			where = "node " + string(node)
		}
		c.add("application %q is not connected with %s", name, where)
	}
	return c.err()
}
