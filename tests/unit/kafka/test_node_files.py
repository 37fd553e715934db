"""What is written for Java is what Java reads, wherever the checkout lies."""

from streams.kafka.node import in_java_properties, java_environment


def test_letters_that_java_would_misread_are_escaped() -> None:
    assert in_java_properties("log.dirs=/data/kafka\n") == "log.dirs=/data/kafka\n"
    assert in_java_properties("/ein Ördner") == "/ein \\u00d6rdner"
    assert in_java_properties("/𝄞") == "/\\ud834\\udd1e"


def test_java_names_files_in_utf_8_whatever_the_terminal_speaks() -> None:
    assert java_environment()["LC_ALL"] == "C.UTF-8"
