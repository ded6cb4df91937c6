"""The contract as plain objects, with our options read.

protoc hands options over as bytes. They are read by a descriptor pool built from the request itself, so no generated
module is needed to generate modules."""
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from names import snake

F = descriptor_pb2.FieldDescriptorProto

INTEGERS = {F.TYPE_INT32, F.TYPE_INT64, F.TYPE_UINT32, F.TYPE_UINT64}
OPTIONS_FILE = "lujian/options.proto"
EVERY_SERVICE = "*"


class ContractFault(Exception):
    """The contract cannot even be read into this model."""


class Enum:
    def __init__(self, file, proto, full_name, comment):
        self.file, self.name, self.full_name, self.comment = file, proto.name, full_name, comment
        self.values = [(value.name, value.number) for value in proto.value]


class Field:
    def __init__(self, message, proto, rule, comment):
        self.message, self.proto, self.rule, self.comment = message, proto, rule, comment
        self.name, self.number, self.type = proto.name, proto.number, proto.type
        self.repeated = proto.label == F.LABEL_REPEATED
        self.oneof = message.oneofs[proto.oneof_index] if proto.HasField("oneof_index") else None
        self.target = None  # the Message or Enum that it is made of; set when all are known

    @property
    def place(self):
        return f"{self.message.full_name}.{self.name}"


class Message:
    def __init__(self, file, proto, full_name, event, comment):
        self.file, self.proto, self.name, self.full_name = file, proto, proto.name, full_name
        self.event, self.comment = event, comment
        self.oneofs = [oneof.name for oneof in proto.oneof_decl]
        self.fields = []  # by number, as protobuf-c orders its descriptors

    @property
    def snake(self):
        return snake(self.name)

    def field(self, name):
        return next((field for field in self.fields if field.name == name), None)

    def index(self, name):
        return next(index for index, field in enumerate(self.fields) if field.name == name)


class Method:
    def __init__(self, service, proto, rule, comment):
        self.service, self.name, self.rule, self.comment = service, proto.name, rule, comment
        self.streaming = proto.client_streaming or proto.server_streaming
        self.request_name, self.response_name = proto.input_type[1:], proto.output_type[1:]
        self.request = self.response = None

    @property
    def snake(self):
        return snake(self.name)

    @property
    def place(self):
        return f"{self.service.full_name}.{self.name}"

    @property
    def public(self):
        return bool(self.rule.get or self.rule.post) and not self.rule.internal


class Service:
    def __init__(self, file, proto, full_name, wire_name):
        self.file, self.name, self.full_name, self.wire_name = file, proto.name, full_name, wire_name
        self.methods = []


class File:
    def __init__(self, proto):
        self.proto, self.name = proto, proto.name
        self.stem = proto.name.removesuffix(".proto")
        self.imports = list(proto.dependency)
        self.messages, self.enums, self.services = [], [], []


class Contract:
    """All files that protoc was asked to generate, and what they are made of."""

    def __init__(self, request):
        self._pool = descriptor_pool.DescriptorPool()
        for proto in request.proto_file:
            self._pool.AddSerializedFile(proto.SerializeToString())
        self._used = types_used_outside_options(request.proto_file)
        self._factory = message_factory.MessageFactory(self._pool)
        self.files, self.messages, self.enums = [], {}, {}
        for proto in request.proto_file:
            if proto.name in request.file_to_generate:
                self.files.append(self._read_file(proto))
        self._resolve()

    @property
    def services(self):
        """The real ones: a file's own, without the generic one."""
        return [s for file in self.files for s in file.services if s.wire_name != EVERY_SERVICE]

    def methods_of(self, service):
        """A service's own methods, then its copies of the generic ones."""
        generic = [s for file in self.files for s in file.services if s.wire_name == EVERY_SERVICE]
        return service.methods + [method for s in generic for method in s.methods]

    @property
    def methods(self):
        """(service, method) of everything that can be called."""
        return [(service, method) for service in self.services for method in self.methods_of(service)]

    @property
    def events(self):
        return [message for file in self.files for message in file.messages if message.event]

    def _option(self, options, name):
        """The value of our extension `name` among these options; its default where it was not given."""
        extension = self._pool.FindExtensionByName(f"lujian.{name}")
        cls = self._factory.GetPrototype(self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        return cls.FromString(options.SerializeToString()).Extensions[extension]

    def _read_file(self, proto):
        file = File(proto)
        comments = {tuple(location.path): _comment(location) for location in proto.source_code_info.location}
        for index, enum in enumerate(proto.enum_type):
            full_name = f"{proto.package}.{enum.name}"
            if proto.name != OPTIONS_FILE or full_name in self._used:
                self.enums[full_name] = Enum(file, enum, full_name, comments.get((5, index), ""))
                file.enums.append(self.enums[full_name])
        if proto.name == OPTIONS_FILE:
            return file
        for index, message in enumerate(proto.message_type):
            file.messages.append(self._read_message(file, message, (4, index), comments))
        for index, service in enumerate(proto.service):
            file.services.append(self._read_service(file, service, (6, index), comments))
        return file

    def _read_message(self, file, proto, path, comments):
        if proto.nested_type or proto.enum_type:
            kind = "map field" if any(n.options.map_entry for n in proto.nested_type) else "nested type"
            raise ContractFault(f"{file.name}: {proto.name}: a {kind} is not allowed")
        full_name = f"{file.proto.package}.{proto.name}"
        message = Message(file, proto, full_name, self._option(proto.options, "event"), comments.get(path, ""))
        for index, field in enumerate(proto.field):
            rule = self._option(field.options, "field")
            message.fields.append(Field(message, field, rule, comments.get(path + (2, index), "")))
        message.fields.sort(key=lambda field: field.number)
        self.messages[full_name] = message
        return message

    def _read_service(self, file, proto, path, comments):
        full_name = f"{file.proto.package}.{proto.name}"
        service = Service(file, proto, full_name, self._option(proto.options, "service"))
        for index, method in enumerate(proto.method):
            rule = self._option(method.options, "method")
            service.methods.append(Method(service, method, rule, comments.get(path + (2, index), "")))
        return service

    def _resolve(self):
        for message in self.messages.values():
            for field in message.fields:
                if field.type in (F.TYPE_MESSAGE, F.TYPE_ENUM):
                    known = self.messages if field.type == F.TYPE_MESSAGE else self.enums
                    name = field.proto.type_name[1:]
                    if name not in known:
                        raise ContractFault(f"{field.place}: {name} is not part of the contract")
                    field.target = known[name]
        for file in self.files:
            for service in file.services:
                for method in service.methods:
                    for name in (method.request_name, method.response_name):
                        if name not in self.messages:
                            raise ContractFault(f"{method.place}: {name} is not part of the contract")
                    method.request = self.messages[method.request_name]
                    method.response = self.messages[method.response_name]


def types_used_outside_options(files):
    """Full names that files other than options.proto refer to: Role, that principals carry, but no option."""
    return {field.type_name[1:] for file in files if file.name != OPTIONS_FILE
            for message in file.message_type for field in message.field if field.type_name}


def _comment(location):
    text = location.leading_comments.strip() or location.trailing_comments.strip()
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
