#include "dataplane/openai/event_stream.h"

namespace rolemesh::dataplane {

size_t EndOfLastEvent(absl::string_view text) {
  for (size_t i = text.size(); i-- > 1;) {
    if (text[i] == '\n') {
      if (text[i - 1] == '\n' ||
          (text[i - 1] == '\r' && i >= 2 && (text[i - 2] == '\n' || text[i - 2] == '\r'))) {
        return i + 1;
      }
    } else if (text[i] == '\r' && text[i - 1] == '\r' && i + 1 < text.size() &&
               text[i + 1] != '\n') {
      return i + 1;
    }
  }
  return 0;
}

}  // namespace rolemesh::dataplane
