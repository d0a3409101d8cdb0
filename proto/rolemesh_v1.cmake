# Generated code lands in the build tree under the same path as the .proto.
set(protos common enrollment agent route table load operator record)
add_library(rolemesh_proto_v1 STATIC)
add_library(rolemesh::proto_v1 ALIAS rolemesh_proto_v1)
foreach(name ${protos})
  set(proto rolemesh/v1/${name}.proto)
  set(stem ${CMAKE_CURRENT_BINARY_DIR}/rolemesh/v1/${name})
  add_custom_command(
    OUTPUT ${stem}.pb.cc ${stem}.pb.h ${stem}.grpc.pb.cc ${stem}.grpc.pb.h
    COMMAND protobuf::protoc -I ${CMAKE_CURRENT_SOURCE_DIR}
            --cpp_out=${CMAKE_CURRENT_BINARY_DIR} --grpc_out=${CMAKE_CURRENT_BINARY_DIR}
            --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>
            ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
    DEPENDS ${proto} VERBATIM)
  target_sources(rolemesh_proto_v1 PRIVATE ${stem}.pb.cc)
  set(services enrollment agent route operator)
  if(name IN_LIST services)
    target_sources(rolemesh_proto_v1 PRIVATE ${stem}.grpc.pb.cc)
  endif()
endforeach()
target_include_directories(rolemesh_proto_v1 SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
target_link_libraries(rolemesh_proto_v1 PUBLIC gRPC::grpc++ protobuf::libprotobuf)
target_compile_options(rolemesh_proto_v1 PRIVATE -w)
foreach(folder contract client)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
  endif()
endforeach()
