// Recordings for the tests: files of this folder and of traces/, and texts.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "fabric/recording/reconstruct.hpp"
#include "fabric/recording/text_reader.hpp"

namespace irqfab::recording::test {

inline std::filesystem::path source_tree() { return IRQFAB_SOURCE_DIR; }

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline std::string data(const std::string& name) {
  return contents(source_tree() / "tests/fabric/recording/data" / name);
}
inline std::string trace(const std::string& name) {
  return contents(source_tree() / "traces" / name);
}

inline Result<Recording> import(const std::string& text, const std::string& file = "file") {
  std::istringstream in(text);
  ReadOptions options;
  options.file = file;
  TextReader reader(in, options);
  return reconstruct(reader, file);
}

/// The text of the errors; empty if there are none.
template <class T>
std::string errors_of(const Result<T>& result) {
  std::string text;
  if (result) return text;
  for (const Diagnostic& error : result.errors()) text += format(error);
  return text;
}

/// Everything that the reader reports on a text, and the first error.
struct Reading {
  ReadReport report;
  std::vector<std::uint64_t> times;
  std::vector<std::string> comms;
  Diagnostics errors;
};
inline Reading read(const std::string& text, ReadOptions options = {}) {
  std::istringstream in(text);
  options.file = "file";
  TextReader reader(in, options);
  Reading out;
  while (true) {
    const auto event = reader.next();
    if (!event) out.errors = event.errors();
    if (!event || !*event) break;
    out.times.push_back((*event)->ns);
    out.comms.emplace_back((*event)->comm);
  }
  out.report = reader.report();
  return out;
}

/// The stimuli of one kind, in order.
template <class A>
std::vector<A> acts(const Replay& replay) {
  std::vector<A> found;
  for (const Stimulus& stimulus : replay.stimuli) {
    if (const A* act = std::get_if<A>(&stimulus.act)) found.push_back(*act);
  }
  return found;
}

inline std::string gzip(const std::string& text) {
  std::string out(compressBound(static_cast<uLong>(text.size())) + 64, '\0');
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace irqfab::recording::test
