package soap

// Fault is a SOAP fault that a Unified CM would send. It is a value: returned by whoever refuses, written in one
// place. Injected trouble is not a Fault but an impairment.
type Fault struct {
	Code   string // the faultcode, such as soapenv:Client
	String string // the faultstring: one sentence that names what was wrong and what was expected
	Detail string // inner XML of detail; empty for an empty detail element
	CodeNS string // namespace to declare for the prefix ns1 when Code uses it; empty otherwise
}

// Error is the faultstring.
func (f *Fault) Error() string { return f.String }
