/* The status and the words for each way in which a pairing fails: what people, and scripts, of t3-dispatch know. */
#include "ingress/pairing/session_codec.h"

static const struct {
    unsigned status;
    const char *words;
} faults[PAIRING_FAULTS] = {
    [PAIRING_WORKED] = {200, "paired"},
    [PAIRING_MINT_FAILED] = {500, "pairing mint failed"},
    [PAIRING_UNPARSEABLE] = {500, "unparseable pairing output"},
    [PAIRING_UNREACHABLE] = {502, "bootstrap request failed"},
    [PAIRING_REJECTED] = {502, "bootstrap rejected"},
};

unsigned pairing_fault_status(enum pairing_fault fault) {
    return faults[fault].status;
}

const char *pairing_fault_words(enum pairing_fault fault) {
    return faults[fault].words;
}
