from __future__ import annotations

import pytest

from kubeprims.testing.apiserver.schema_formats import has_format, is_known_format

UUID = "123e4567-e89b-{}456-a266-426614174000"
GOOD = {
    "bsonobjectid": ["507f1f77bcf86cd799439011"],
    "byte": ["", "YQ=="],
    "cidr": ["10.0.0.0/8", "10.1.2.3/8", "2001:db8::/32"],
    "creditcard": ["4111111111111111", "4111-1111-1111-1111"],
    "date": ["2024-02-29"],
    "date-time": ["2020-01-01T00:00:00Z", "2020-01-01t00:00:00.123+01:00"],
    "duration": ["5m", "1h30m", "-1.5s", "2 days", "0", "3 weeks", "1 hour 2 mins"],
    "email": ["a@b.c"],
    "hexcolor": ["#fff", "00ff00"],
    "hostname": ["a", "example.com", "a-b.example.com"],
    "ipv4": ["1.2.3.4"],
    "ipv6": ["::1"],
    "isbn": ["0-306-40615-2", "080442957X", "978-3-16-148410-0"],
    "isbn10": ["0306406152"],
    "isbn13": ["9783161484100"],
    "k8s-long-name": ["a.b-c.d"],
    "k8s-short-name": ["a-b"],
    "mac": ["01:23:45:67:89:ab", "01-23-45-67-89-ab", "0123.4567.89ab"],
    "nobody-knows": ["anything"],
    "password": ["anything"],
    "rgbcolor": ["rgb(1, 2,255)"],
    "ssn": ["123-45-6789", "123456789"],
    "uri": ["http://a/", "/abc", "urn:x"],
    "uuid": [UUID.format("1")],
    "uuid3": [UUID.format("3")],
    "uuid4": ["123e4567-e89b-4456-a264-426614174000"],
    "uuid5": ["123e4567-e89b-5456-a264-426614174000"],
}
BAD = {
    "bsonobjectid": ["507f"],
    "byte": ["YQ", "%%"],
    "cidr": ["10.0.0.0", "x/8", "10.0.0.0/99"],
    "creditcard": ["4111111111111112", "1234"],
    "date": ["2023-02-29", "20230201", "x"],
    "date-time": ["2020-01-01T00:00:00", "2020-01-01T25:00:00Z", "2020-13-01T00:00:00Z", "x"],
    "duration": ["", "5", "5 parsecs", "x"],
    "email": ["x", "@", "a b@c"],
    "hexcolor": ["#ffff", "red"],
    "hostname": ["-a", "a.b", "a..b", "a" * 300, "a" * 60 + "." + "b" * 300],
    "ipv4": ["::1", "1.2.3", "1.2.3.04"],
    "ipv6": ["1.2.3.4"],
    "isbn": ["1", "0-306-40615-3", "x"],
    "isbn10": ["030640615", "x"],
    "isbn13": ["9783161484101", "x"],
    "k8s-long-name": ["A.b", "a" * 64, "a." * 200 + "a"],
    "k8s-short-name": ["a.b", "a" * 64],
    "mac": ["01:23", "x"],
    "rgbcolor": ["rgb(1,2,256)", "rgb(1,2)"],
    "ssn": ["12-3"],
    "uri": ["x", ":::", "http://a b", "http://["],
    "uuid": ["x"],
    "uuid3": [UUID.format("4")],
    "uuid4": [UUID.format("4").replace("-a266", "-c266")],
    "uuid5": ["123e4567-e89b-4456-a264-426614174000"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_a_text_has_a_format(name: str, text: str) -> None:
    assert has_format(text, name)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_text_has_not(name: str, text: str) -> None:
    assert not has_format(text, name)


def test_formats_that_are_known() -> None:
    assert is_known_format("date-time")
    assert is_known_format("datetime")
    assert not is_known_format("made-up")
