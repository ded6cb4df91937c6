"""openapi.json is a well-formed OpenAPI 3.1 document: every reference resolves, every operation is whole."""
import re

VERBS = {'get', 'post'}
OPERATION = {'operationId', 'tags', 'summary', 'parameters', 'requestBody', 'responses', 'security', 'x-method',
             'x-roles'}
SCHEMA = {'$ref', 'type', 'format', 'pattern', 'minLength', 'maxLength', 'minimum', 'maximum', 'default', 'enum', 'const',
          'not', 'oneOf', 'items', 'minItems', 'maxItems', 'properties', 'required', 'additionalProperties',
          'maxProperties', 'description', 'contentEncoding', 'examples', 'x-bytes-max', 'x-minimum', 'x-maximum'}
TYPES = {'string', 'integer', 'boolean', 'object', 'array', 'null'}
# Issue: what each status means is one table for all routes.
ALWAYS = {'400', '401', '403', '429', '500', '503', '504'}
COMMAND = ALWAYS | {'409', '413', '415', '422'}


def operations(document):
    for path, verbs in document['paths'].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def resolve(document, reference):
    at = document
    assert reference.startswith('#/')
    for part in reference[2:].split('/'):
        at = at[part]
    return at


def everything(at):
    """Every object of the document."""
    if isinstance(at, dict):
        yield at
        for value in at.values():
            yield from everything(value)
    elif isinstance(at, list):
        for value in at:
            yield from everything(value)


def check_schema(schema, place):
    """Only keywords that we mean, each with a value of its kind."""
    assert set(schema) <= SCHEMA, (place, set(schema) - SCHEMA)
    types = schema.get('type', [])
    for type_ in [types] if isinstance(types, str) else types:
        assert type_ in TYPES, place
    assert schema.keys() & {'$ref', 'type', 'oneOf', 'const', 'enum'}, place
    if 'pattern' in schema:
        pattern = schema['pattern']
        assert pattern.startswith('^') and pattern.endswith('$'), place
        re.compile(pattern)
    for name in schema.get('required', []):
        assert name in schema['properties'], (place, name)
    for name, inner in schema.get('properties', {}).items():
        check_schema(inner, f'{place}.{name}')
    if schema.get('type') == 'array':
        check_schema(schema['items'], place + '[]')
    for inner in schema.get('oneOf', []):
        check_schema(inner, place)


def test_head(openapi):
    assert openapi['openapi'] == '3.1.0'
    assert set(openapi) == {'openapi', 'info', 'security', 'tags', 'paths', 'components'}
    assert openapi['info']['title'] and openapi['info']['version']
    assert openapi['components']['securitySchemes']['bearer']['scheme'] == 'bearer'
    assert openapi['security'] == [{'bearer': []}]


def test_references_resolve_and_all_schemas_are_used(openapi):
    used = set()
    for item in everything(openapi):
        if '$ref' in item:
            resolve(openapi, item['$ref'])
            used.add(item['$ref'])
    for kind in ('schemas', 'responses'):
        for name in openapi['components'][kind]:
            assert f'#/components/{kind}/{name}' in used


def test_schemas(openapi):
    for name, schema in openapi['components']['schemas'].items():
        check_schema(schema, name)


def test_operations_are_whole(openapi):
    seen = set()
    tags = {tag['name'] for tag in openapi['tags']}
    for path, verb, operation in operations(openapi):
        place = f'{verb} {path}'
        assert verb in VERBS and path.startswith('/'), place
        assert set(operation) <= OPERATION, place
        assert operation['summary'] and set(operation['tags']) <= tags, place
        assert operation['operationId'] not in seen, place
        seen.add(operation['operationId'])
        assert ('requestBody' in operation) == (verb == 'post'), place
        in_path = {p['name'] for p in operation.get('parameters', []) if p['in'] == 'path'}
        assert in_path == set(re.findall(r'\{(\w+)\}', path)), place
        names = [(p['in'], p['name']) for p in operation.get('parameters', [])]
        assert len(names) == len(set(names)), place
        for parameter in operation.get('parameters', []):
            assert parameter['in'] in ('path', 'query', 'header'), place
            assert parameter['required'] or parameter['in'] != 'path', place
            check_schema(parameter['schema'], f'{place} {parameter["name"]}')
        for status, response in operation['responses'].items():
            assert re.fullmatch('[2-5][0-9][0-9]', status), place
            assert resolve(openapi, response['$ref'])['description'] if '$ref' in response else response['description']


def test_statuses(openapi):
    for path, verb, operation in operations(openapi):
        if 'x-method' not in operation:
            continue
        statuses = set(operation['responses'])
        wanted = set(COMMAND if verb == 'post' else ALWAYS)
        wanted |= {'404'} if '{' in path else set()
        wanted |= {'422'} if 'division' in {p['name'] for p in operation.get('parameters', [])} else set()
        wanted |= {'412'} if verb == 'post' and '{' in path else set()
        wanted |= {'200', '201'} if path == '/v1/complaints' and verb == 'post' else {'200'}
        assert statuses == wanted, path


def test_headers(openapi):
    for path, verb, operation in operations(openapi):
        if 'x-method' not in operation:
            continue
        headers = {p['name'] for p in operation.get('parameters', []) if p['in'] == 'header'}
        answered = operation['responses']['200'].get('headers', {})
        if verb == 'post':
            assert 'Idempotency-Key' in headers, path
            assert ('If-Match' in headers) == ('{' in path), path
            assert 'Idempotency-Replayed' in answered, path
            assert ('ETag' in answered) == (path != '/v1/registry:load'), path
        else:
            assert not headers, path
    created = openapi['paths']['/v1/complaints']['post']['responses']['201']['headers']
    assert set(created) == {'ETag', 'Location'}
    assert 'ETag' in openapi['paths']['/v1/complaints/{id}']['get']['responses']['200']['headers']


def test_problems(openapi):
    for name, response in openapi['components']['responses'].items():
        assert list(response['content']) == ['application/problem+json'], name
    for name in ('RateLimited', 'NotExecuted', 'Conflict'):
        assert 'Retry-After' in openapi['components']['responses'][name]['headers']
