"""The address book."""

from django.contrib import admin
from django.urls import include, path

from api.views.house import healthz

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("api.urls")),
    path("healthz", healthz),
]
