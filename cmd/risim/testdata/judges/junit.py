"""Reads a JUnit file as somebody else's tool does, and prints what it says: the counts, then each case."""

import sys
import xml.etree.ElementTree as ElementTree

(suite,) = ElementTree.parse(sys.argv[1]).getroot().findall("testsuite")
cases = suite.findall("testcase")
assert int(suite.get("tests")) == len(cases), suite.attrib
assert int(suite.get("failures")) == len(suite.findall("testcase/failure")), suite.attrib
assert int(suite.get("errors")) == len(suite.findall("testcase/error")), suite.attrib
print(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors"))
for case in cases:
    assert case.get("classname") == suite.get("name")
    place = f"{case.get('file')}:{int(case.get('line')) > 0}" if case.get("file") else "-"
    said = [child for child in case if child.get("message")]
    assert len(said) <= 1 and all(child.text and child.get("type") for child in said)
    print(place, case.get("name"), *(child.tag for child in said))
