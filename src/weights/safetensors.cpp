#include "weights/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>

#include "core/json.h"
#include "core/text.h"

namespace lemore {

using namespace std::string_view_literals;

#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors is little-endian, and tensors are used in place");
#endif

bool is_aligned(const void* data, std::size_t alignment) noexcept {
  return reinterpret_cast<std::uintptr_t>(data) % alignment == 0;
}

namespace {

constexpr std::size_t k_length_bytes = 8;
constexpr const char* k_metadata_key = "__metadata__";

constexpr DType k_dtypes[] = {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32,    DType::i16,
                              DType::i8,  DType::u64, DType::u32, DType::u16,  DType::u8,  DType::boolean};

/// What a file that is not a safetensors file looks like, with advice; null when nothing is recognised.
const char* recognise(std::string_view bytes) {
  struct Kind {
    std::size_t at;
    std::string_view magic;
    const char* name;
  };
  static constexpr Kind k_kinds[] = {
      {0, "PK\x03\x04", "a zip archive, as torch.save writes it: convert it with tools/convert.py"},
      {0, "version https://git-lfs", "a Git LFS pointer: fetch the file itself with 'git lfs pull'"},
      {0, "GGUF", "a GGUF file, which lemore does not read"},
      {0, "<", "HTML or XML: the download was a web page, not the file"},
      {0, "{", "JSON text"},
      {0, "\xFF\xD8\xFF", "a JPEG picture"},
      {0, "\x89PNG", "a PNG picture"},
      {8, "WEBP", "a WebP picture"},
      {0, "GIF8", "a GIF picture"},
      {0, "II*", "a TIFF picture"},
      {0, "MM\0*"sv, "a TIFF picture"},
      {4, "ftyp", "a video"},
      {0, "\x89HDF", "an HDF5 file, as Keras writes it"},
      {4, "TFL3", "a TensorFlow Lite file"},
      {0, "\x1F\x8B", "a gzip archive"},
      {257, "ustar", "a tar archive"},
      {0, "%PDF", "a PDF document"},
  };
  for (const Kind& kind : k_kinds) {
    if (bytes.size() >= kind.at && bytes.substr(kind.at, kind.magic.size()) == kind.magic) return kind.name;
  }
  if (bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5)
    return "a Python pickle, as old torch.save wrote it: convert it with tools/convert.py";
  // A protobuf whose first fields are the format's version and the producer's name or a graph.
  if (bytes.size() > 2 && bytes[0] == 8 && bytes[1] < 32 && (bytes[2] == 0x12 || bytes[2] == 0x3A))
    return "an ONNX file: lemore reads the weights that tools/convert.py writes";
  const std::string_view start = bytes.substr(0, 256);
  const bool is_text = start.size() >= k_length_bytes && std::all_of(start.begin(), start.end(), [](char c) {
                         return static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\r' || c == '\t';
                       });
  return is_text ? "text" : nullptr;
}

/// Finds the header's text. Only where there cannot be one do the bytes tell what else the file may be: a header of
/// 640 bytes begins as a pickle does.
Result<std::string_view> find_header(std::string_view bytes, const std::string& file) {
  std::string problem;
  std::uint64_t length = 0;
  if (bytes.size() < k_length_bytes) {
    problem = join({"expected a header behind 8 bytes of length, got a file of ", bytes.size(), " bytes"});
  } else {
    for (std::size_t i = k_length_bytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
    const std::size_t rest = bytes.size() - k_length_bytes;
    if (length < 2 || length > k_max_safetensors_header) {
      problem = join({"expected a header of 2..", k_max_safetensors_header, " bytes, got a length of ", length});
    } else if (length > rest) {
      problem = join({"expected a header of ", length, " bytes, got a file with ", rest, " behind the length"});
    } else if (bytes[k_length_bytes] != '{') {
      problem = join(
          {"expected a header that begins with '{' at byte 8, got '", printable(bytes.substr(k_length_bytes, 1)), "'"});
    } else {
      return bytes.substr(k_length_bytes, static_cast<std::size_t>(length));
    }
  }
  if (const char* kind = recognise(bytes))
    return make_error(StatusCode::invalid_file, {file, ": not a safetensors file: it looks like ", kind});
  return make_error(StatusCode::invalid_file, {file, ": not a safetensors file, or a damaged one: ", problem});
}

/// A tensor's record: where its data lies, counted from the end of the header.
struct Record {
  std::string name;
  DType dtype = DType::u8;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};

std::string path_of(std::string_view name) { return join({"tensor '", printable(name), "'"}); }

void read_dtype(json::FieldReader& reader, const json::Field& field, Record& record) {
  const std::optional<std::string_view> name = field.value.string();
  for (const DType dtype : k_dtypes) {
    if (name && *name == dtype_name(dtype)) {
      record.dtype = dtype;
      return;
    }
  }
  reader.fail(field, {"the name of an element type such as 'F32'"});
}

void read_shape(json::FieldReader& reader, const json::Field& field, Record& record) {
  for (const json::Field& extent : reader.list(field, 0, Shape::k_max_rank)) {
    const std::optional<std::uint64_t> value = extent.value.uint64();
    if (!value || *value > std::numeric_limits<std::size_t>::max())
      return reader.fail(extent, {"a whole number of 0 or more"});
    record.shape.push_back(static_cast<std::size_t>(*value));
  }
}

void read_offsets(json::FieldReader& reader, const json::Field& field, std::uint64_t data_bytes, Record& record) {
  std::uint64_t* targets[] = {&record.begin, &record.end};
  std::size_t i = 0;
  for (const json::Field& offset : reader.list(field, 2, 2)) {
    const std::optional<std::uint64_t> value = offset.value.uint64();
    if (!value || *value > data_bytes) {
      return reader.fail(offset, {"an offset in 0..", data_bytes, " (the bytes of data)"});
    }
    *targets[i++] = *value;
  }
  if (!reader.ok()) return;
  const std::size_t elements = record.shape.elements(), size = dtype_size(record.dtype);
  const bool overflows = elements > std::numeric_limits<std::size_t>::max() / size;
  if (record.begin > record.end || overflows || record.end - record.begin != elements * size) {
    const std::string needed = overflows ? "more bytes than 64 bits count" : join({elements * size, " bytes"});
    reader.fail(field, {needed, " for shape ", record.shape, " of ", dtype_name(record.dtype)});
  }
}

Record read_record(json::FieldReader& reader, const json::Value& value, std::uint64_t data_bytes) {
  const std::string path = path_of(value.key());
  const json::Field field(value, path);
  Record record;
  record.name = std::string(value.key());
  if (!reader.object(field, {"dtype", "shape", "data_offsets"})) return record;
  read_dtype(reader, field.member("dtype"), record);
  read_shape(reader, field.member("shape"), record);
  if (reader.ok()) read_offsets(reader, field.member("data_offsets"), data_bytes, record);
  return record;
}

/// Checks that the tensors, in the order of their data, leave neither holes nor overlaps nor a rest.
Status check_contiguous(const std::vector<Record>& records, std::uint64_t data_bytes, const std::string& file) {
  std::vector<std::size_t> order(records.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    // An empty tensor stands before the one whose data begins where it lies.
    return std::make_pair(records[a].begin, records[a].end) < std::make_pair(records[b].begin, records[b].end);
  });
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    const Record& record = records[i];
    if (record.begin != end) {
      return make_error(StatusCode::invalid_file,
                        {file, ": ", path_of(record.name), ".data_offsets: expected data from byte ", end,
                         " on, without hole or overlap, got ", record.begin});
    }
    end = record.end;
  }
  if (end != data_bytes) {
    return make_error(StatusCode::invalid_file,
                      {file, ": expected ", end, " bytes of data, as its tensors say, got ", data_bytes});
  }
  return {};
}

}  // namespace

Result<Safetensors> Safetensors::open(const std::string& path, bool copy) {
  Result<FileBytes> bytes = copy ? FileBytes::read(path) : FileBytes::map(path);
  if (!bytes.ok()) return bytes.status();
  return read(std::move(*bytes), path);
}

Result<Safetensors> Safetensors::from_memory(const void* data, std::size_t size, bool copy, const std::string& name) {
  if (data == nullptr && size > 0) {
    return make_error(StatusCode::invalid_argument,
                      {printable(name, k_message_path), ": expected data, got a null pointer"});
  }
  if (!copy) return read(FileBytes::borrow(data, size), name);
  Result<FileBytes> bytes = FileBytes::copy(data, size);
  if (!bytes.ok()) return bytes.status();
  return read(std::move(*bytes), name);
}

Result<Safetensors> Safetensors::read(FileBytes bytes, const std::string& file) {
  Safetensors out;
  out.file_ = printable(file, k_message_path);
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Result<std::string_view> header = find_header(all, out.file_);
  if (!header.ok()) return header.status();
  const auto invalid = [&](const Piece& problem) {
    return make_error(StatusCode::invalid_file, {out.file_, ": header: ", problem});
  };
  // JSON would allow any white space behind its value; the profile pads with spaces.
  if ((*header)[header->find_last_not_of(' ')] != '}') return invalid("expected '}' and then spaces at its end");
  const Result<json::Document> document = json::Document::parse(*header);
  if (!document.ok()) return invalid(document.status().message());

  json::FieldReader reader(out.file_);
  const std::uint64_t data_bytes = all.size() - k_length_bytes - header->size();
  std::vector<Record> records;
  for (const json::Value member : document->root()) {
    if (member.key() != k_metadata_key) {
      records.push_back(read_record(reader, member, data_bytes));
    } else if (!member.is(json::Type::object)) {
      reader.fail({member, k_metadata_key}, {"an object"});
    } else {
      for (const json::Value entry : member) {
        const std::string path = join({k_metadata_key, ".", printable(entry.key())});
        std::string value = reader.string({entry, path});
        out.metadata_.emplace_back(entry.key(), std::move(value));
      }
    }
    if (!reader.ok()) return reader.status();
  }
  if (Status status = check_contiguous(records, data_bytes, out.file_); !status.ok()) return status;

  const std::uint8_t* data = bytes.data() + (all.size() - data_bytes);
  out.tensors_.reserve(records.size());
  for (Record& record : records) {
    out.tensors_.push_back({std::move(record.name), TensorView(data + record.begin, record.dtype, record.shape)});
  }
  std::sort(out.tensors_.begin(), out.tensors_.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  out.bytes_ = std::move(bytes);
  return out;
}

const NamedTensor* Safetensors::find_named(std::string_view name) const noexcept {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const NamedTensor& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

const std::string* Safetensors::metadata(std::string_view key) const noexcept {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return &value;
  }
  return nullptr;
}

}  // namespace lemore
