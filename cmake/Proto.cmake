# handoff_proto: the messages of handoff.proto for libprotobuf. The tests have it as a second reader and writer, which
# knows nothing of libhandoff's own descriptions of the messages.
find_package(Protobuf REQUIRED)
set(proto ${PROJECT_SOURCE_DIR}/libhandoff/protocol/handoff.proto)
set(out ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${out})
add_custom_command(
  OUTPUT ${out}/handoff.pb.cc ${out}/handoff.pb.h
  COMMAND protobuf::protoc --cpp_out=${out} --proto_path=${PROJECT_SOURCE_DIR}/libhandoff/protocol ${proto}
  DEPENDS ${proto})
add_library(handoff_proto STATIC ${out}/handoff.pb.cc ${out}/handoff.pb.h)
target_include_directories(handoff_proto SYSTEM PUBLIC ${out})
target_link_libraries(handoff_proto PUBLIC protobuf::libprotobuf)
