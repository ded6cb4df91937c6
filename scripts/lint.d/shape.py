"""The shape of files: functions of 70 lines at most, an opening that says what a file is for, Python that compiles.

Long files are told, not refused.
"""
import ast
import re

from report import Check

FUNCTION_LINES_MAX = 70
FILE_LINES_TOLD = 400
OPENINGS = {'.c': ('/*', '//'), '.h': ('/*', '//'), '.sql': ('--', '/*'), '.proto': ('//', '/*')}


def c_functions(text):
    """(name, first line, lines of the body). As clang-format leaves them, only functions have a brace of their own."""
    lines, start = text.splitlines(), None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line == '}' and start is not None:
            head = ' '.join(lines[max(0, start - 4):start - 1])
            names = re.findall(r'(\w+)\s*\(', head)
            yield (names[-1] if names else '?'), start, number - start - 1
            start = None


def python_functions(tree):
    """(name, first line, lines) of all functions of a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def shell_functions(text):
    """(name, first line, lines of the body)."""
    name, start = '', None
    for number, line in enumerate(text.splitlines(), 1):
        opened = re.match(r'(\w+)\(\) \{$', line)
        if opened:
            name, start = opened[1], number
        elif line == '}' and start is not None:
            yield name, start, number - start - 1
            start = None


def too_long(where, functions):
    """Functions over the limit."""
    return ''.join(f'{where}:{line}: {name} has {lines} lines, {FUNCTION_LINES_MAX} are allowed\n'
                   for name, line, lines in functions if lines > FUNCTION_LINES_MAX)


def check_python(where, text):
    """A Python file: compiles, says what it is for, has no long function."""
    try:
        tree = ast.parse(text, where)
    except SyntaxError as error:
        return f'{where}:{error.lineno}: {error.msg}\n'
    opening = '' if not tree.body or ast.get_docstring(tree) else f'{where}:1: does not say what it is for\n'
    return opening + too_long(where, python_functions(tree))


def check_opening(where, suffix, text):
    """Whether a file opens with a comment."""
    if suffix in OPENINGS and text.strip() and not text.lstrip().startswith(OPENINGS[suffix]):
        return f'{where}:1: does not say what it is for\n'
    return ''


def checks(tree):
    """One check for all, one job each kind."""
    c_files, python, shell = tree.c_files, tree.python_files, tree.shell_files
    opened = c_files + tree.sql_files + tree.ending('.proto')

    def read(path):
        return path.read_text(encoding='utf-8')

    check = Check('shape', f'{len(opened)} C, SQL and proto files, {len(python)} Python, {len(shell)} shell', [
        lambda: ''.join(check_python(tree.short(path), read(path)) for path in python),
        lambda: ''.join(too_long(tree.short(path), c_functions(read(path))) for path in c_files),
        lambda: ''.join(too_long(tree.short(path), shell_functions(read(path))) for path in shell),
        lambda: ''.join(check_opening(tree.short(path), path.suffix, read(path)) for path in opened),
    ])
    for path in c_files + python:
        lines = read(path).count('\n')
        if lines > FILE_LINES_TOLD and 'tests' not in path.relative_to(tree.root).parts:
            check.notes.append(f'{tree.short(path)} has {lines} lines')
    return [check]
