"""Names: how the contract's names look in C and JSON. The upper half repeats protobuf-c's own rules."""


def snake(camel):
    """FileRequest -> file_request, as protobuf-c splits words: before a capital that follows none."""
    out = []
    was_upper = True
    for letter in camel:
        if letter.isupper() and not was_upper:
            out.append("_")
        out.append(letter.lower())
        was_upper = letter.isupper()
    return "".join(out)


def camel(part):
    """complaints -> Complaints, deadline_rules -> DeadlineRules."""
    out = []
    upper = True
    for letter in part:
        if letter == "_":
            upper = True
        else:
            out.append(letter.upper() if upper else letter)
            upper = False
    return "".join(out)


def c_type(full_name):
    """lujian.bus.v1.Event -> Lujian__Bus__V1__Event."""
    return "__".join(camel(part) for part in full_name.split("."))


def c_lower(full_name):
    """lujian.bus.v1.PullRequest -> lujian__bus__v1__pull_request."""
    return "__".join(snake(part) for part in full_name.split("."))


def c_upper(full_name):
    return c_lower(full_name).upper()


def json_of_enum_value(enum_name, value_name):
    """(ClockKind, CLOCK_KIND_SIGN) -> sign; None where the prefix is missing."""
    prefix = snake(enum_name).upper() + "_"
    if not value_name.startswith(prefix) or len(value_name) == len(prefix):
        return None
    return value_name[len(prefix):].lower()
