"""GET /v1/customers/{customer_id}/score."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from serving.auth import requires
from serving.errors import problems
from serving.scores.schemas import Score
from serving.scores.service import find_score

__all__ = ["router"]

router = APIRouter(tags=["scores"])


@router.get(
    "/v1/customers/{customer_id:path}/score",  # An id may hold a slash.
    dependencies=[Depends(requires("scores:read"))],
    responses=problems(401, 403, 404, 422, 503),
)
def get_score(
    request: Request,
    customer_id: Annotated[str, Path(description="Who.", min_length=1, max_length=200)],
) -> Score:
    """Tell what one customer is worth from today on."""
    return find_score(request.app.state.store, customer_id)
