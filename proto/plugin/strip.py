"""Takes our options out of a descriptor set, so that what is generated from it stands without descriptor.proto.

Usage: strip.py FULL.binpb STRIPPED.binpb MESSAGES.binpb

What stays of options.proto are the enums that messages use. Comments are kept. The second set has no services either:
protobuf-c would make a C name of each method, and one of ours is called Return."""
import sys

from google.protobuf import descriptor_pb2

from model import OPTIONS_FILE, types_used_outside_options


def strip_file(file, used):
    file.ClearField("options")
    file.ClearField("extension")
    if file.name == OPTIONS_FILE:
        kept = [enum for enum in file.enum_type if f"{file.package}.{enum.name}" in used]
        for what in ("message_type", "enum_type", "dependency", "source_code_info"):
            file.ClearField(what)
        file.enum_type.extend(kept)
    for message in file.message_type:
        message.ClearField("options")
        for field in message.field:
            field.ClearField("options")
    for service in file.service:
        service.ClearField("options")
        for method in service.method:
            method.ClearField("options")


def write(files, target):
    with open(target, "wb") as stream:
        stream.write(files.SerializeToString())


def main(source, target, target_without_services):
    with open(source, "rb") as stream:
        full = descriptor_pb2.FileDescriptorSet.FromString(stream.read())
    used = types_used_outside_options(full.file)
    stripped = descriptor_pb2.FileDescriptorSet()
    for file in full.file:
        if not file.name.startswith("google/"):
            strip_file(file, used)
            stripped.file.append(file)
    write(stripped, target)
    for file in stripped.file:
        file.ClearField("service")
        file.ClearField("source_code_info")
    write(stripped, target_without_services)


main(*sys.argv[1:])
