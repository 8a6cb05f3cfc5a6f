#pragma once

#include <cstddef>
#include <string>

namespace lemore {

/// The name of a layer, as the modules of the PyTorch state dict are called: parts joined by dots, some with an index.
/// A name made of another points to it; none needs memory before it becomes text.
///
///   const Name stage("stages", 2);           // stages.2
///   const Name block = stage("blocks", 0);   // stages.2.blocks.0
class Name {
 public:
  Name(const char* part) noexcept : part_(part) {}
  Name(const char* part, std::size_t index) noexcept : part_(part), index_(index) {}

  Name operator()(const char* part) const& noexcept { return {this, part, k_none}; }
  Name operator()(const char* part, std::size_t index) const& noexcept { return {this, part, index}; }
  Name operator()(const char* part) const&& = delete;  // it would point to what is gone
  Name operator()(const char* part, std::size_t index) const&& = delete;

  std::string text() const;

 private:
  static constexpr std::size_t k_none = static_cast<std::size_t>(-1);
  Name(const Name* outer, const char* part, std::size_t index) noexcept : outer_(outer), part_(part), index_(index) {}
  void append_to(std::string& out) const;

  const Name* outer_ = nullptr;
  const char* part_;
  std::size_t index_ = k_none;
};

}  // namespace lemore
